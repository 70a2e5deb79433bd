"""A target for the share of keys that each mask keeps: without one, masks hardly mask.

The loss alone gives a mask little reason to drop a key, since the softmax can weigh it down too.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from maskattn_edge.contract.errors import UsageError
from maskattn_models.network import MaskAttention, NetworkConfig, build_network


class KeyTarget:
    """Pulls the share of keys that each block keeps of each image to `share`, from either side.

    From below too, since a mask that drops every key of an image keeps them all. The share is
    that of the hard mask; its gradient is that of the sigmoid of the logits
    (straight-through, arxiv.org/abs/1308.3432). It listens to `network` as long as that lives.

    Raises:
        UsageError: the network has no masks.
    """

    def __init__(self, network: nn.Module, share: float) -> None:
        self._share = share
        self._logits: list[Tensor] = []
        masked = [m for m in network.modules() if isinstance(m, MaskAttention) and m.masked]
        if not masked:
            raise UsageError(
                f"masks are to keep {share:g} of their keys, but the network has no mask "
                "attention: choose --attention masked, or leave out --mask-share"
            )
        for block in masked:
            block.qkv.register_forward_hook(self._note)

    def _note(self, module: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        self._logits.append(output[:, -1])

    def loss(self) -> Tensor | float:
        """Sum over blocks of the mean squared distance in the latest forward pass, ()."""
        distances = [_share_kept(logit) - self._share for logit in self._logits]
        self._logits.clear()
        return torch.stack(distances).square().mean(1).sum() if distances else 0.0


def check_masked(config: NetworkConfig, share: float | None) -> None:
    """See, before the data are read, that there are masks where a share of keys is asked for.

    Raises:
        UsageError: there are none.
    """
    if share is not None:
        with torch.device("meta"):  # no weights, no random numbers
            KeyTarget(build_network(config), share)


def _share_kept(logit: Tensor) -> Tensor:
    """(B,) of (B, H, W)."""
    soft = logit.float().sigmoid().mean((1, 2))
    return soft + ((logit > 0).float().mean((1, 2)) - soft).detach()
