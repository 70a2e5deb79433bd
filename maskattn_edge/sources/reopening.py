"""A live source that is opened again whenever it is lost."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, replace

from maskattn_edge.contract.errors import ContractError, SourceError, SourceRefusedError
from maskattn_edge.frame import Frame
from maskattn_edge.sources.losses import Losses
from maskattn_edge.sources.source import Source


@dataclass(frozen=True, kw_only=True)
class Backoff:
    """Waits before each attempt to open a source again: doubling from the first to the longest.

    Raises:
        ContractError: not 0 < first_s <= longest_s.
    """

    first_s: float = 0.1
    longest_s: float = 1.0

    def __post_init__(self) -> None:
        if not 0 < self.first_s <= self.longest_s:
            raise ContractError(
                f"waits must grow from above 0: first {self.first_s}, longest {self.longest_s}"
            )

    def wait_s(self, attempt: int) -> float:
        """Seconds before attempt number `attempt`, from 0.

        >>> [Backoff().wait_s(attempt) for attempt in (0, 1, 3, 60)]
        [0.1, 0.2, 0.8, 1.0]
        """
        return min(self.longest_s, self.first_s * 2.0 ** min(attempt, 30))


class ReopeningSource(Source):
    """Opens a source, and again after each loss, until it is closed or interrupted.

    The lost source is closed before the next is opened, so that nothing that it still held can
    come after. The first opening must work; so must the password later on.

    Args:
        open_source: opens it.
        backoff: waits between attempts.
        clock: seconds, monotonic.

    Raises:
        SourceError: the first opening failed.
    """

    live = True

    def __init__(
        self,
        open_source: Callable[[], Source],
        *,
        backoff: Backoff | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._open, self._backoff, self._clock = open_source, backoff or Backoff(), clock
        self._over = threading.Event()
        self._lock = threading.Lock()  # between the reading thread and those who ask
        self._losses = Losses()
        self._lost_at: float | None = None
        self._index = 0
        self._last = clock()
        self._source: Source | None = open_source()
        self.fps = self._source.fps
        self._text = self._source.describe()

    def read(self) -> Frame | None:
        """The next frame, however long it takes; None after `interrupt`.

        Raises:
            SourceRefusedError: the source is there, but does not want us any more.
        """
        attempt = 0
        while not self._over.is_set():
            try:
                if self._source is None:
                    self._over.wait(self._backoff.wait_s(attempt))
                    if self._over.is_set():
                        break
                    attempt += 1
                    self._adopt(self._open())
                frame = self._source.read() if self._source is not None else None
            except SourceRefusedError:
                raise
            except SourceError as error:
                self._lose(str(error))
                continue
            if frame is not None:
                return self._found(frame)
            self._lose("it ended")
        return None

    def _adopt(self, source: Source) -> None:
        with self._lock:
            self._source = source
            self._text = source.describe()

    def _lose(self, reason: str) -> None:
        if self._over.is_set():
            return
        with self._lock:
            again = self._lost_at is not None
            source, self._source = self._source, None
            self._lost_at = self._last
            broken = 0 if source is None else source.losses().broken_frames
            self._losses = replace(
                self._losses,
                failures=self._losses.failures + again,
                broken_frames=self._losses.broken_frames + broken,
                reason=reason,
            )
        if source is not None:
            source.close()

    def _found(self, frame: Frame) -> Frame:
        with self._lock:
            now = self._clock()
            if self._lost_at is not None:
                self._losses = replace(
                    self._losses,
                    reopened=self._losses.reopened + 1,
                    seconds=self._losses.seconds + now - self._lost_at,
                )
                self._lost_at = None
            self._last = now
            self._index += 1
            return replace(frame, index=self._index - 1, reopened=self._losses.reopened)

    def losses(self) -> Losses:
        """The figures so far, those of a loss that goes on included."""
        with self._lock:
            lost_s = 0.0 if self._lost_at is None else self._clock() - self._lost_at
            broken = 0 if self._source is None else self._source.losses().broken_frames
            return replace(
                self._losses,
                seconds=self._losses.seconds + lost_s,
                lost_s=lost_s,
                broken_frames=self._losses.broken_frames + broken,
            )

    def describe(self) -> str:
        """What was opened last."""
        return self._text

    def interrupt(self) -> None:
        """End the waiting."""
        self._over.set()
        with self._lock:
            source = self._source
        if source is not None:
            source.interrupt()

    def close(self) -> None:
        """Give back what is open; it is not opened again."""
        self._over.set()
        with self._lock:
            source = self._source
        if source is not None:
            source.close()
