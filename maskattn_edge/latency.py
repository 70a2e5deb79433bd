"""Time of a call, frame by frame; every sample is kept."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from maskattn_edge.contract.errors import ContractError


@dataclass(frozen=True, kw_only=True)
class LatencySettings:
    """How one latency run is taken; it ends when both minima are met."""

    warmup_frames: int = 20
    min_frames: int = 100
    min_seconds: float = 1.0

    def __post_init__(self) -> None:
        if self.min_frames < 1 or self.warmup_frames < 0 or self.min_seconds < 0:
            raise ContractError(
                f"a latency run needs at least one frame and no negative number, got {self}"
            )


def time_frames(
    frame: Callable[[], object],
    settings: LatencySettings,
    clock: Callable[[], float] = time.perf_counter,
) -> NDArray[np.float64]:
    """Milliseconds of each call, (frames,).

    Args:
        frame: returns once its result is on the host.
        settings: warm-up and both minima.
        clock: seconds, monotonic.
    """
    for _ in range(settings.warmup_frames):
        frame()
    samples_ms: list[float] = []
    start = clock()
    while len(samples_ms) < settings.min_frames or clock() - start < settings.min_seconds:
        before = clock()
        frame()
        samples_ms.append((clock() - before) * 1e3)
    return np.array(samples_ms)
