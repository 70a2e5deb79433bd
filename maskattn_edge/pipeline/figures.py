"""Running figures with bounded memory: percentiles of kept samples, and a recent rate."""

from __future__ import annotations

import math
import random
from array import array
from collections import deque
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

CAPACITY = 100_000
"""Samples that are kept: at 30 frames a second, all of the first hour."""

WINDOW_S = 60.0
"""What the figures of a run that goes on look back on, in seconds."""


@dataclass(frozen=True, kw_only=True)
class Percentiles:
    """Of `count` values, linear between neighbours; NaN where there are none.

    `exact` tells that every value was kept; otherwise all but `max` come from a random choice.
    """

    count: int
    p50: float
    p90: float
    p99: float
    max: float
    exact: bool


class Samples:
    """Values of one quantity: all of them up to `capacity`, then a uniform random choice.

    One thread adds; any thread may ask.

    Source:
        Vitter, Random sampling with a reservoir, ACM TOMS 11(1), 1985, algorithm R.
    """

    def __init__(self, capacity: int = CAPACITY, *, seed: int = 0) -> None:
        self._kept = array("d")
        self._capacity = capacity
        self._random = random.Random(seed)
        self._max = -math.inf
        self.count = 0

    def add(self, value: float) -> None:
        """Take one value into account."""
        self.count += 1
        self._max = max(self._max, value)
        if len(self._kept) < self._capacity:
            self._kept.append(value)
            return
        place = self._random.randrange(self.count)
        if place < self._capacity:
            self._kept[place] = value

    def percentiles(self) -> Percentiles:
        """The figures so far."""
        kept = np.array(self._kept)  # a copy: a buffer that is lent out could not grow
        return _percentiles(kept, self.count, self._max, exact=self.count <= self._capacity)


class Recent:
    """The last values of something that happens again and again: their median and their rate."""

    def __init__(self, size: int = 60) -> None:
        self._times: deque[float] = deque(maxlen=size)
        self._values: deque[float] = deque(maxlen=size)

    def add(self, now: float, value: float) -> None:
        """Something happened at `now`, in seconds, and measured `value`."""
        self._times.append(now)
        self._values.append(value)

    @property
    def rate(self) -> float:
        """Happenings per second; NaN before the second one."""
        if len(self._times) < 2 or self._times[-1] <= self._times[0]:
            return math.nan
        return (len(self._times) - 1) / (self._times[-1] - self._times[0])

    @property
    def median(self) -> float:
        """Median value; NaN where there is none."""
        return float(np.median(self._values)) if self._values else math.nan


class Window:
    """The values of the last `seconds`, at most `capacity` of them, in a ring that never grows.

    Whoever shares it between threads guards it.
    """

    def __init__(self, seconds: float = WINDOW_S, capacity: int = 8192) -> None:
        self._seconds = seconds
        self._times, self._values = np.zeros(capacity), np.zeros(capacity)
        self._count = 0

    def add(self, now: float, value: float) -> None:
        """A value that was measured at `now`, in seconds."""
        place = self._count % len(self._times)
        self._times[place], self._values[place] = now, value
        self._count += 1

    def percentiles(self, now: float) -> Percentiles:
        """The figures of the last `seconds` before `now`.

        `exact` is false where more values came than are kept.
        """
        kept = min(self._count, len(self._times))
        recent = self._values[:kept][self._times[:kept] > now - self._seconds]
        full = self._count > len(self._times) and len(recent) == kept
        largest = float(recent.max()) if len(recent) else math.nan
        return _percentiles(recent, len(recent), largest, exact=not full)


def _percentiles(
    values: NDArray[np.float64], count: int, largest: float, *, exact: bool
) -> Percentiles:
    if not len(values):
        nan = math.nan
        return Percentiles(count=0, p50=nan, p90=nan, p99=nan, max=nan, exact=True)
    p50, p90, p99 = np.percentile(values, [50, 90, 99]).tolist()
    return Percentiles(count=count, p50=p50, p90=p90, p99=p99, max=largest, exact=exact)
