"""The thread that tells once a second how a run stands."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable

from maskattn_edge.pipeline.figures import WINDOW_S

PERIOD_S = 1.0


class Reporter(threading.Thread):
    """Calls `tell` every second, so that the engine's thread need not sort samples."""

    def __init__(self, tell: Callable[[], None], period_s: float = PERIOD_S) -> None:
        super().__init__(name="figures", daemon=True)
        self._tell, self._period_s = tell, period_s
        self._over = threading.Event()

    def run(self) -> None:
        """Tell until `finish`, which makes it tell a last time."""
        while not self._over.wait(self._period_s):
            self._tell()
        self._tell()

    def finish(self, timeout: float) -> None:
        """End the thread, at most after `timeout` seconds; nothing if it never began."""
        self._over.set()
        if self.ident is not None:
            self.join(timeout)


class Rates:
    """Rates of things that are counted: per second, over the last minute."""

    def __init__(self, window_s: float = WINDOW_S) -> None:
        self._window_s = window_s
        self._ticks: deque[tuple[float, tuple[int, ...]]] = deque()

    def per_second(self, now: float, *counts: int) -> tuple[float, ...]:
        """The rate of each count; NaN at the first call. Call it about once a second."""
        while self._ticks and self._ticks[0][0] < now - self._window_s:
            self._ticks.popleft()
        self._ticks.append((now, counts))
        began, first = self._ticks[0]
        if now <= began:
            return (float("nan"),) * len(counts)
        return tuple(
            (count - old) / (now - began) for count, old in zip(counts, first, strict=True)
        )
