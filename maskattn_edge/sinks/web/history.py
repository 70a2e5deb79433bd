"""The last minute, second by second: what the page plots."""

from __future__ import annotations

import math
import threading
from collections import deque
from typing import Any

import numpy as np

from maskattn_edge.frame import FrameTimes

SECONDS = 60
_COUNTS = ("captured", "processed", "dropped")


class History:
    """Frames are added as they come; `close_second` sums up those since the last call."""

    def __init__(self, seconds: int = SECONDS) -> None:
        self._seconds: deque[dict[str, Any]] = deque(maxlen=seconds)
        self._times: list[FrameTimes] = []
        self._lock = threading.Lock()
        self._last: dict[str, Any] = {"seconds": 0.0, **dict.fromkeys(_COUNTS, 0)}

    def add(self, times: FrameTimes) -> None:
        """A frame came to the page's sink."""
        with self._lock:
            self._times.append(times)

    def close_second(self, figures: dict[str, Any]) -> None:
        """Sum up; `figures` hold seconds since the start, and what was counted since then."""
        with self._lock:
            times, self._times = self._times, []
        passed = figures["seconds"] - self._last["seconds"]
        if passed <= 0:
            return
        rates = {key: round((figures[key] - self._last[key]) / passed, 2) for key in _COUNTS}
        entry = {
            "seconds": figures["seconds"],
            "latency_ms": _median_and_max([time.latency_ms for time in times]),
            "age_ms": _median_and_max([time.age_ms for time in times]),
            **{f"{key}_per_s": rate for key, rate in rates.items()},
        }
        self._last = {key: figures[key] for key in ("seconds", *_COUNTS)}
        with self._lock:
            self._seconds.append(entry)

    def entries(self) -> list[dict[str, Any]]:
        """The seconds so far, oldest first."""
        with self._lock:
            return list(self._seconds)


def _median_and_max(values: list[float]) -> list[float] | None:
    known = [value for value in values if math.isfinite(value)]
    return [round(float(np.median(known)), 2), round(max(known), 2)] if known else None
