"""What a run amounted to, and how it stands while it goes on."""

from __future__ import annotations

import json
from dataclasses import dataclass

from maskattn_edge.pipeline.facts import RunFacts
from maskattn_edge.pipeline.figures import Percentiles


@dataclass(frozen=True, kw_only=True)
class Progress:
    """How a run stands. Rates and medians are of the last frames; NaN where there is none yet.

    `length` is the number of frames that will come, where that is known; `lost_s` tells for how
    long a lost source has given no picture, 0 while it does.
    """

    seconds: float
    captured: int
    processed: int
    dropped: int
    length: int | None
    fps: float
    latency_ms: float
    age_ms: float
    lost_s: float = 0.0


@dataclass(frozen=True, kw_only=True)
class OutputSummary:
    """What one sink got: frames written, frames that it was too slow for, and their ages."""

    name: str
    delivered: int
    dropped: int
    age_ms: Percentiles


@dataclass(frozen=True, kw_only=True)
class Dropped:
    """Captured frames that were not processed, by reason.

    `engine`: a newer frame came before the engine was free. `stop`: they waited when the run was
    stopped. What a slow sink missed is counted with that sink.
    """

    engine: int
    stop: int


@dataclass(frozen=True, kw_only=True)
class Summary(RunFacts):
    """What a run amounted to. Times in milliseconds where the name says so.

    Beside what `RunFacts` tells, `seconds` being until every output was closed:

    Args:
        interrupted: whether a signal ended the run.
        error: why the run failed, in one line; None where it did not.
        dropped: the others, by reason.
        capture_fps: captured frames per second of capture.
        fps: processed frames per second of `seconds`.
        latency_ms: from taking a frame to its labels on the host, preprocessing included.
        engine_ms: of that, the engine alone.
        age_ms: from capture to delivery, over all sinks; to the labels where there is no sink.
        outputs: what each sink got.
    """

    interrupted: bool
    error: str | None
    dropped: Dropped
    capture_fps: float
    fps: float
    latency_ms: Percentiles
    engine_ms: Percentiles
    age_ms: Percentiles
    outputs: tuple[OutputSummary, ...]

    def to_json(self) -> str:
        """The summary as JSON text; what was not measured is null."""
        return json.dumps(self.as_dict(), indent=2, allow_nan=False)
