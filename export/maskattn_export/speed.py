"""How long a frame takes with each file on this machine, in a few hundred milliseconds a file."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray

from maskattn_edge.contract.errors import EngineError, MissingDependencyError, ModelFileError
from maskattn_edge.contract.model_file import ModelFile
from maskattn_edge.engines import BACKENDS, Engine, open_engine
from maskattn_edge.latency import LatencySettings, time_frames

_ROUNDS = 3
QUICK = LatencySettings(warmup_frames=2, min_frames=5, min_seconds=0.1)
"""Of one round with one file."""


@dataclass(frozen=True, kw_only=True)
class Speed:
    """Median milliseconds of a frame with each file, on `engine`, e.g. "openvino (CPU, 2 threads)".

    A glance, not a benchmark: `maskattn-edge benchmark` takes longer and says how sure it is.
    """

    engine: str
    frame_ms: tuple[float, ...]


def measure_speed(
    files: Sequence[ModelFile], image: NDArray[np.uint8], settings: LatencySettings = QUICK
) -> Speed:
    """Time the files in turn, so that a busy moment hits all, on the best engine at hand.

    An engine that must be built for minutes first is not at hand.

    Args:
        files: at least one.
        image: (H, W, 3) uint8 RGB of the network's size.
        settings: of one round with one file.
    """
    with ExitStack() as stack:
        engines = _open_all(files, stack)
        samples: list[list[float]] = [[] for _ in files]
        for _ in range(_ROUNDS):
            for engine, kept in zip(engines, samples, strict=True):
                kept += time_frames(partial(engine.infer, image[None]), settings).tolist()
        first = engines[0]
        return Speed(
            engine=f"{first.name} ({first.device})",
            frame_ms=tuple(float(np.median(kept)) for kept in samples),
        )


def _open_all(files: Sequence[ModelFile], stack: ExitStack) -> list[Engine]:
    *better, last = [name for name, entry in BACKENDS.items() if not entry.builds]
    for backend in better:
        with ExitStack() as attempt:
            try:
                engines = [
                    attempt.enter_context(open_engine(file, backend=backend)) for file in files
                ]
            except (MissingDependencyError, EngineError, ModelFileError):
                continue
            stack.push(attempt.pop_all())
            return engines
    return [stack.enter_context(open_engine(file, backend=last)) for file in files]
