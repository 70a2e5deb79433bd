"""What a network costs: operations of one frame, and parameters."""

from __future__ import annotations

import copy
from dataclasses import dataclass

import torch
from torch.utils.flop_counter import FlopCounterMode

from maskattn_models.network import MaskAttnUNet, NetworkConfig, build_network


@dataclass(frozen=True, kw_only=True)
class Cost:
    """Of one frame: `operations` as 2 x MAC, and the number of `parameters`.

    Convolutions and matrix products are counted, attention's included; what touches each value
    once (norms, activations, softmax, enlarging, argmax) is not.
    """

    operations: int
    parameters: int

    @property
    def gflops(self) -> float:
        """Operations in 10^9."""
        return self.operations / 1e9

    @property
    def millions(self) -> float:
        """Parameters in 10^6."""
        return self.parameters / 1e6


def count_cost(network: MaskAttnUNet) -> Cost:
    """Cost of a network on one image of its own size; the network is left as it was.

    >>> cost = count_cost(build_network(NetworkConfig(classes=133, size="n")))
    >>> f"{cost.gflops:.2f} GFLOPs, {cost.millions:.2f} M parameters"
    '0.27 GFLOPs, 0.30 M parameters'
    """
    config = network.config
    counted = copy.deepcopy(network).cpu().eval()  # training mode would move its batch norms
    counter = FlopCounterMode(display=False)
    with torch.inference_mode(), counter:
        image = torch.zeros(1, 3, config.height, config.width)
        if config.finds_objects:
            counted.heads(image)
        else:
            counted(image)
    return Cost(
        operations=counter.get_total_flops(),
        parameters=sum(parameter.numel() for parameter in network.parameters()),
    )


def cost_of(config: NetworkConfig) -> Cost:
    """Cost of a fresh network; PyTorch's random numbers are left as they were."""
    with torch.random.fork_rng(devices=[]):
        return count_cost(build_network(config))
