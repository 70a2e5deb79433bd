"""How a run stands, once a second: what `--stats` writes and the live page shows."""

from __future__ import annotations

from dataclasses import asdict, dataclass

from maskattn_edge.pipeline.figures import Percentiles
from maskattn_edge.pipeline.summary import rounded
from maskattn_edge.sources.losses import Losses


@dataclass(frozen=True, kw_only=True)
class OutputStats:
    """What one sink got since the start: frames written, and frames that it was too slow for."""

    name: str
    delivered: int
    dropped: int


@dataclass(frozen=True, kw_only=True)
class Stats:
    """How a run stands. Counts are since the start; percentiles and rates of the last minute.

    Args:
        time: of the day, UTC, ISO 8601.
        seconds: since the start of capture.
        source: in words.
        live: whether the source is live.
        losses: how often and how long it gave no pictures.
        model: name of the model.
        engine: name of the back end.
        device: where the engine runs.
        captured: frames read from the source.
        processed: frames that the engine segmented.
        dropped: frames that a newer one replaced before the engine was free.
        capture_fps: captured frames per second; NaN in the first second.
        fps: processed frames per second; NaN in the first second.
        latency_ms: from taking a frame to its labels on the host.
        engine_ms: of that, the engine alone.
        age_ms: from capture to delivery, over all sinks.
        outputs: what each sink got.
        memory_mb: resident memory of the process, MiB.
        memory_peak_mb: its peak, MiB.
    """

    time: str
    seconds: float
    source: str
    live: bool
    losses: Losses
    model: str
    engine: str
    device: str
    captured: int
    processed: int
    dropped: int
    capture_fps: float
    fps: float
    latency_ms: Percentiles
    engine_ms: Percentiles
    age_ms: Percentiles
    outputs: tuple[OutputStats, ...]
    memory_mb: float
    memory_peak_mb: float

    def as_dict(self) -> dict[str, object]:
        """Ready for JSON; what was not measured is None."""
        entry = rounded(asdict(self))
        assert isinstance(entry, dict)
        return entry
