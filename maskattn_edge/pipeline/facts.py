"""What every report of a run tells, while it goes on and at its end."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass

from maskattn_edge.sources.losses import Losses


@dataclass(frozen=True, kw_only=True)
class RunFacts:
    """What runs, for how long, and how much of it; `Stats` and `Summary` tell more.

    Args:
        seconds: since the start of capture.
        source: in words.
        live: whether the source is live.
        losses: how often and how long it gave no pictures.
        model: name of the model.
        engine: name of the back end.
        device: where the engine runs.
        captured: frames read from the source.
        processed: frames that the engine segmented.
        memory_mb: resident memory of the process, MiB.
        memory_peak_mb: its peak, MiB.
    """

    seconds: float
    source: str
    live: bool
    losses: Losses
    model: str
    engine: str
    device: str
    captured: int
    processed: int
    memory_mb: float
    memory_peak_mb: float

    def as_dict(self) -> dict[str, object]:
        """All fields, ready for JSON; what was not measured is None."""
        entry = rounded(asdict(self))
        assert isinstance(entry, dict)
        return entry


def rounded(value: object) -> object:
    """The same with 4 decimals, None for what is not finite, and lists for tuples."""
    if isinstance(value, float):
        return round(value, 4) if math.isfinite(value) else None
    if isinstance(value, dict):
        return {key: rounded(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [rounded(item) for item in value]
    return value
