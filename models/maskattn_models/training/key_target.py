"""A target for the share of keys that each mask keeps: without one, masks hardly mask.

The loss alone gives a mask little reason to drop a key, since the softmax can weigh it down too.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from maskattn_models.network import MaskAttention


class KeyTarget:
    """Pulls the share of keys that each block keeps of each image to `share`, from either side.

    From below too, since a mask that drops every key of an image keeps them all. The share is
    that of the hard mask; its gradient is that of the sigmoid of the logits
    (straight-through, arxiv.org/abs/1308.3432). It listens to `network` as long as that lives.
    """

    def __init__(self, network: nn.Module, share: float) -> None:
        self._share = share
        self._logits: list[Tensor] = []
        for block in network.modules():
            if isinstance(block, MaskAttention) and block.masked:
                block.qkv.register_forward_hook(self._note)

    def _note(self, module: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        self._logits.append(output[:, -1])

    def loss(self) -> Tensor | float:
        """Sum over blocks of the mean squared distance in the latest forward pass, ()."""
        distances = [_share_kept(logit) - self._share for logit in self._logits]
        self._logits.clear()
        return torch.stack(distances).square().mean(1).sum() if distances else 0.0


def _share_kept(logit: Tensor) -> Tensor:
    """(B,) of (B, H, W)."""
    soft = logit.float().sigmoid().mean((1, 2))
    return soft + ((logit > 0).float().mean((1, 2)) - soft).detach()
