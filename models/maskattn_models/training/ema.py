"""Exponential moving average of a network's weights: what is validated and exported.

Source: Polyak and Juditsky, SIAM 1992; as in EfficientNet, arxiv.org/abs/1905.11946.
"""

from __future__ import annotations

import copy
from typing import Generic, TypeVar

import torch
from torch import Tensor, nn

Module = TypeVar("Module", bound=nn.Module)


class Average(Generic[Module]):
    """A second network that follows the first, statistics of its batch norms included."""

    def __init__(self, network: Module) -> None:
        self.network: Module = copy.deepcopy(network).eval().requires_grad_(False)

    @torch.no_grad()
    def update(self, network: nn.Module, decay: Tensor) -> None:
        """Keep `decay`, () float32 on the network's device, and take the rest from `network`."""
        values, means = network.state_dict(), self.network.state_dict()
        floats = [name for name, mean in means.items() if mean.is_floating_point()]
        for name in means.keys() - set(floats):
            means[name].copy_(values[name])
        # Three launches for all tensors together, in place of two for each.
        following = [means[name] for name in floats]
        torch._foreach_mul_(following, decay)
        new = torch._foreach_mul([values[name] for name in floats], 1 - decay)
        torch._foreach_add_(following, new)
