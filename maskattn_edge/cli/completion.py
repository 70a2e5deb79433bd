"""What <TAB> offers after an option that takes one of a few names.

The libraries check the names; here they are only offered, so that a shell need not wait for torch.
A test compares both.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

Complete = Callable[[str], list[str]]

SIZES = ("n", "s", "m", "l")
TASKS = ("semantic", "instance", "panoptic")
ATTENTIONS = ("none", "convolution", "plain", "masked")
LOSSES = ("cross-entropy", "cross-entropy+dice", "cross-entropy+lovasz")
BACKBONES = ("efficientnet-lite0",)
PEERS = ("plain-unet", "segformer-b0")
RESIZES = ("stretch", "letterbox")
DEVICES = ("auto", "cpu", "cuda")
QUANTIZERS = ("modelopt", "onnxruntime")


def among(names: Iterable[str]) -> Complete:
    """Offers those of `names` that begin as what is there."""

    def complete(incomplete: str) -> list[str]:
        return [name for name in names if name.startswith(incomplete)]

    return complete


def engines(incomplete: str) -> list[str]:
    """What `run --engine` takes."""
    from maskattn_edge.engines.table import CHOICES

    return among(CHOICES)(incomplete)


def candidates(incomplete: str) -> list[str]:
    """What `benchmark --engine` takes; nothing where the benchmarks are not installed."""
    try:
        from maskattn_benchmarks.peers.table import ENGINES
    except ModuleNotFoundError:
        return []
    return among(ENGINES)(incomplete)
