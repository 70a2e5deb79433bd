"""Where a run computes, and with which numbers."""

from __future__ import annotations

import torch

from maskattn_edge.contract.errors import UsageError
from maskattn_models.training.settings import Device, Precision


def choose_device(device: Device, *, index: int = 0) -> torch.device:
    """The device to train on; `index` is the number of the GPU, if it is one.

    Raises:
        UsageError: CUDA is asked for, but PyTorch finds no such device.
    """
    found = torch.cuda.is_available()
    if device == "cuda" and not found:
        raise UsageError(
            "device 'cuda' was asked for, but PyTorch finds no CUDA device; available: auto, cpu"
        )
    return torch.device("cuda", index) if found and device != "cpu" else torch.device("cpu")


def autocast(device: torch.device, precision: Precision) -> torch.autocast:
    """The context of a forward pass in `precision`."""
    enabled = precision == "bf16" or (precision == "auto" and device.type == "cuda")
    # The cache of cast weights must not outlive a step: weights change under it.
    return torch.autocast(device.type, torch.bfloat16, enabled=enabled, cache_enabled=False)
