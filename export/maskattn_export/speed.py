"""How long a frame takes with each file on this machine, in a few hundred milliseconds a file."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from maskattn_edge.contract.errors import EngineError, MissingDependencyError, ModelFileError
from maskattn_edge.contract.model_file import ModelFile
from maskattn_edge.engines import BACKENDS, Engine, open_engine
from maskattn_edge.engines.gpu import check_driver
from maskattn_edge.latency import LatencySettings, time_frames

_ROUNDS = 3
QUICK = LatencySettings(warmup_frames=2, min_frames=5, min_seconds=0.1)
"""Of one round with one file."""

_CANNOT = (MissingDependencyError, EngineError, ModelFileError)


@dataclass(frozen=True, kw_only=True)
class Speed:
    """Median milliseconds of a frame with each file, on `engine`, e.g. "openvino (CPU, 2 threads)".

    A glance, not a benchmark: `maskattn-edge benchmark` takes longer and says how sure it is.
    `caveat` says what was measured in TensorRT's place, and why; "" where it was measured.
    """

    engine: str
    frame_ms: tuple[float, ...]
    caveat: str = ""


def measure_speed(
    files: Sequence[ModelFile],
    image: NDArray[np.uint8],
    settings: LatencySettings = QUICK,
    *,
    cache: Path | None = None,
    on_step: Callable[[str], None] = lambda step: None,
) -> Speed:
    """Time the files in turn, so that a busy moment hits all, on the best engine at hand.

    That is TensorRT where it can be used; its engines are built for that, which takes a minute
    each, and stay in the cache for `run`. Else it is an engine that needs no building.

    Args:
        files: at least one.
        image: (H, W, 3) uint8 RGB of the network's size.
        settings: of one round with one file.
        cache: where TensorRT's engines lie; the user's cache folder if None.
        on_step: told how they are built.
    """
    with ExitStack() as stack:
        reason = ""
        try:
            engines = _with_tensorrt(files, cache, on_step, stack)
        except _CANNOT as error:
            reason = _why(error)
            engines = _without_building(files, stack)
        samples: list[list[float]] = [[] for _ in files]
        for _ in range(_ROUNDS):
            for engine, kept in zip(engines, samples, strict=True):
                kept += time_frames(partial(engine.infer, image[None]), settings).tolist()
        return Speed(
            engine=f"{engines[0].name} ({engines[0].device})",
            frame_ms=tuple(float(np.median(kept)) for kept in samples),
            caveat=_caveat(engines[0], reason) if reason else "",
        )


def _with_tensorrt(
    files: Sequence[ModelFile],
    cache: Path | None,
    on_step: Callable[[str], None],
    stack: ExitStack,
) -> list[Engine]:
    check_driver()
    with ExitStack() as attempt:
        engines = []
        for file in files:
            # The name is bound now: the engine tells of its phases while the loop stands still.
            def tell(phase: str, done: int, total: int, name: str = file.path.name) -> None:
                on_step(f"TensorRT, {name}: {phase}")

            engine = open_engine(file, backend="tensorrt", cache=cache, on_step=tell)
            engines.append(attempt.enter_context(engine))
        stack.push(attempt.pop_all())
        return engines


def _without_building(files: Sequence[ModelFile], stack: ExitStack) -> list[Engine]:
    *better, last = [name for name, entry in BACKENDS.items() if not entry.builds]
    for backend in better:
        with ExitStack() as attempt:
            try:
                engines = [
                    attempt.enter_context(open_engine(file, backend=backend)) for file in files
                ]
            except _CANNOT:
                continue
            stack.push(attempt.pop_all())
            return engines
    return [stack.enter_context(open_engine(file, backend=last)) for file in files]


def _why(error: Exception) -> str:
    if isinstance(error, MissingDependencyError):
        return "it is not installed"
    try:
        check_driver()
    except EngineError:
        return "there is no NVIDIA GPU"
    return str(error)


def _caveat(engine: Engine, reason: str) -> str:
    measured = "CPU engines were" if engine.device.startswith("CPU") else f"{engine.name} was"
    return f"{measured} measured, not TensorRT: {reason}"
