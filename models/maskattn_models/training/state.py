"""Everything of a run that changes from epoch to epoch, and how it is kept and brought back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import nn

from maskattn_models.network import MaskAttnUNet, NetworkConfig, build_network
from maskattn_models.training.ema import Average
from maskattn_models.training.history import EpochRow
from maskattn_models.training.settings import TrainingSettings


@dataclass(kw_only=True)
class RunState:
    """A run between two epochs. `best_epoch` is 0 as long as none was validated."""

    network: MaskAttnUNet
    average: Average[MaskAttnUNet]
    optimizer: torch.optim.Optimizer
    generator: torch.Generator
    device: torch.device
    epoch: int = 0
    step: int = 0
    best_epoch: int = 0
    best_miou: float = -1.0
    history: list[EpochRow] = field(default_factory=list)

    def capture(self) -> dict[str, Any]:
        """What a checkpoint keeps beside the averaged weights, as tensors and plain data."""
        return {
            "weights": self.network.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "generator": self.generator.get_state(),
            "torch_random": torch.get_rng_state(),
            "cuda_random": _cuda_random(self.device),
            "epoch": self.epoch,
            "step": self.step,
            "best_epoch": self.best_epoch,
            "best_miou": self.best_miou,
        }

    def restore(self, kept: Mapping[str, Any], average_weights: Mapping[str, Any]) -> None:
        """Go back to what `capture` returned.

        Random states are those of a device: on another kind of device they start afresh.

        Raises:
            KeyError, RuntimeError, TypeError, ValueError: `kept` is damaged.
        """
        self.network.load_state_dict(dict(kept["weights"]))
        self.average.network.load_state_dict(dict(average_weights))
        self.optimizer.load_state_dict(dict(kept["optimizer"]))
        torch.set_rng_state(kept["torch_random"])
        if kept["generator"].shape == self.generator.get_state().shape:
            self.generator.set_state(kept["generator"])
        if self.device.type == "cuda" and kept["cuda_random"] is not None:
            torch.cuda.set_rng_state(kept["cuda_random"], self.device)
        self.epoch, self.step = int(kept["epoch"]), int(kept["step"])
        self.best_epoch, self.best_miou = int(kept["best_epoch"]), float(kept["best_miou"])


def new_state(
    config: NetworkConfig,
    settings: TrainingSettings,
    device: torch.device,
    *,
    pretrained: bool = False,
) -> RunState:
    """A run before its first epoch; seeds PyTorch's global random numbers, which dropout uses.

    `pretrained` gives the network's backbone its ImageNet weights.
    """
    torch.manual_seed(settings.seed)
    network = build_network(config)
    if pretrained:
        network.load_pretrained()
    # Measured: convolutions on the CPU train twice as fast with channels last.
    network = network.to(device).to(memory_format=torch.channels_last)
    return RunState(
        network=network,
        average=Average(network),
        optimizer=_adamw(network, settings),
        generator=torch.Generator(device).manual_seed(settings.seed),
        device=device,
    )


def _adamw(network: nn.Module, settings: TrainingSettings) -> torch.optim.Optimizer:
    """AdamW (arxiv.org/abs/1711.05101) that decays neither biases nor the scales of norms."""
    weights = [p for p in network.parameters() if p.ndim > 1]
    others = [p for p in network.parameters() if p.ndim <= 1]
    groups = [
        {"params": weights, "weight_decay": settings.weight_decay},
        {"params": others, "weight_decay": 0.0},
    ]
    return torch.optim.AdamW(groups, lr=settings.peak_learning_rate, fused=True)


def _cuda_random(device: torch.device) -> torch.Tensor | None:
    return torch.cuda.get_rng_state(device) if device.type == "cuda" else None
