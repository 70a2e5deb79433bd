"""How a run stands, once a second: what `--stats` writes and the live page shows."""

from __future__ import annotations

from dataclasses import dataclass

from maskattn_edge.pipeline.facts import RunFacts
from maskattn_edge.pipeline.figures import Percentiles


@dataclass(frozen=True, kw_only=True)
class OutputStats:
    """What one sink got since the start: frames written, and frames that it was too slow for."""

    name: str
    delivered: int
    dropped: int


@dataclass(frozen=True, kw_only=True)
class Stats(RunFacts):
    """How a run stands. Counts are since the start; percentiles and rates of the last minute.

    Beside what `RunFacts` tells:

    Args:
        time: of the day, UTC, ISO 8601.
        dropped: frames that a newer one replaced before the engine was free.
        capture_fps: captured frames per second; NaN in the first second.
        fps: processed frames per second; NaN in the first second.
        latency_ms: from taking a frame to its labels on the host.
        engine_ms: of that, the engine alone.
        age_ms: from capture to delivery, over all sinks.
        outputs: what each sink got.
    """

    time: str
    dropped: int
    capture_fps: float
    fps: float
    latency_ms: Percentiles
    engine_ms: Percentiles
    age_ms: Percentiles
    outputs: tuple[OutputStats, ...]
