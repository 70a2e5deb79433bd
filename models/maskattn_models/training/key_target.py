"""A target for the share of keys that each mask keeps: without one, masks hardly mask.

The loss alone gives a mask little reason to drop a key, since the softmax can weigh it down too.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from maskattn_models.network import MaskAttention


class KeyTarget:
    """Pulls the share of kept keys of each block down to `share`; less is left alone.

    The share is that of the hard mask; its gradient is that of the sigmoid of the logits
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
        """Sum of the blocks' squared excess over the share in the latest forward pass, ()."""
        excess = [(_share_kept(logit) - self._share).clamp(min=0) for logit in self._logits]
        self._logits.clear()
        return torch.stack(excess).square().sum() if excess else 0.0


def _share_kept(logit: Tensor) -> Tensor:
    soft = logit.float().sigmoid().mean()
    return soft + ((logit > 0).float().mean() - soft).detach()
