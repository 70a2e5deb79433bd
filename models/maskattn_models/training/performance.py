"""How fast a run trains and what memory it takes, for its record."""

from __future__ import annotations

import platform
import statistics
from collections.abc import Sequence
from dataclasses import dataclass

import torch

from maskattn_models.training.history import EpochRow


@dataclass(frozen=True, kw_only=True)
class Performance:
    """What training has cost so far.

    Args:
        device: name of the GPU, or of the processor.
        processes: that share each batch.
        graph: whether steps are replayed from a CUDA graph.
        resident: whether the training split lies on the device.
        images_per_second: median over the epochs, of training alone, of all processes together.
        peak_memory_bytes: most that PyTorch has held on the GPU, of the first process; None on
            the CPU.
    """

    device: str
    processes: int
    graph: bool
    resident: bool
    images_per_second: float
    peak_memory_bytes: int | None


def measured(
    rows: Sequence[EpochRow], device: torch.device, *, processes: int, graph: bool, resident: bool
) -> Performance:
    """The performance of a run after the epochs `rows`, one or more."""
    return Performance(
        device=device_name(device),
        processes=processes,
        graph=graph,
        resident=resident,
        images_per_second=statistics.median(row.images_per_second for row in rows),
        peak_memory_bytes=peak_memory_bytes(device),
    )


def device_name(device: torch.device) -> str:
    """Name of a GPU, or the kind of processor."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    return f"cpu ({platform.machine()})"


def peak_memory_bytes(device: torch.device) -> int | None:
    """Most memory that PyTorch has held on a GPU since it was reset, else None.

    What is held counts, not what tensors fill: a CUDA graph keeps its memory between replays.
    """
    return torch.cuda.max_memory_reserved(device) if device.type == "cuda" else None


def reset_peak_memory(device: torch.device) -> None:
    """Begin anew to look for the most memory."""
    if device.type == "cuda":
        torch.cuda.init()  # type: ignore[no-untyped-call]  # it may be the first that is asked of the GPU
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats(device)
