"""What a run measures of each frame: over the whole run, and over the last minute."""

from __future__ import annotations

import threading

from maskattn_edge.frame import FrameTimes
from maskattn_edge.pipeline.figures import Percentiles, Recent, Samples, Window


class Meter:
    """One quantity in milliseconds: figures of the run, of the last minute, of the last frames."""

    def __init__(self) -> None:
        self._all, self._minute, self._last = Samples(), Window(), Recent()
        self._lock = threading.Lock()

    def add(self, now: float, value_ms: float) -> None:
        """Take one value into account; any thread may."""
        with self._lock:
            self._all.add(value_ms)
            self._minute.add(now, value_ms)
            self._last.add(now, value_ms)

    @property
    def count(self) -> int:
        """Values so far."""
        return self._all.count

    @property
    def rate(self) -> float:
        """Values per second, of the last ones."""
        return self._last.rate

    @property
    def median(self) -> float:
        """Median of the last values."""
        return self._last.median

    def of_run(self) -> Percentiles:
        """Percentiles of all values."""
        return self._all.percentiles()

    def of_minute(self, now: float) -> Percentiles:
        """Percentiles of the last minute before `now`."""
        with self._lock:
            return self._minute.percentiles(now)


class Meters:
    """The meters of a run.

    `latency` from taking a frame to its labels, `engine` of that the engine alone, `age` from
    capture to delivery, over all sinks; `labels_age` from capture to the labels, of the last
    frames alone.
    """

    def __init__(self) -> None:
        self.latency, self.engine = Meter(), Meter()
        self.age, self.labels_age = Meter(), Recent()

    def count(self, times: FrameTimes, *, delivered: bool) -> None:
        """A frame got its labels; without sinks to be `delivered` to, that is its end."""
        age_ms = (times.inferred - times.captured) * 1e3
        self.latency.add(times.inferred, times.latency_ms)
        self.engine.add(times.inferred, times.engine_ms)
        self.labels_age.add(times.inferred, age_ms)
        if not delivered:
            self.age.add(times.inferred, age_ms)
