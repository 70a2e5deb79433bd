"""The newest frame, encoded when somebody asks for it and not otherwise."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from maskattn_edge.frame import Frame
from maskattn_edge.segmentation import Segmentation
from maskattn_edge.sinks.web.record import Record, encode

MAX_FPS = 15.0


class Newest:
    """One thread puts frames, which costs it nothing; the viewers' threads take records.

    However many viewers there are, a frame is encoded once, and at most `max_fps` frames a
    second. Only one frame and one record are held.
    """

    def __init__(
        self, *, max_fps: float = MAX_FPS, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._period_s, self._clock = 1 / max_fps, clock
        self._changed = threading.Condition()
        self._frame: tuple[int, Frame, Segmentation] | None = None
        self._record: Record | None = None
        self._busy = self._closed = False
        self._due = 0.0
        self.encoded = 0
        """Frames that were encoded."""

    def put(self, frame: Frame, answer: Segmentation) -> None:
        """Leave a newer frame."""
        with self._changed:
            number = 1 if self._frame is None else self._frame[0] + 1
            self._frame = number, frame, answer
            self._changed.notify_all()

    @property
    def closed(self) -> bool:
        """Whether the run is over."""
        return self._closed

    def close(self) -> None:
        """Nothing comes any more: whoever waits goes on."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    def take(self, after: int, timeout: float) -> Record | None:
        """The newest record, unless its number is `after`; None at the end or where none came.

        A page that was open through a restart asks after a number of the former run; it gets a
        frame at once all the same.

        Raises:
            SinkError: the frame cannot be encoded.
        """
        deadline = self._clock() + timeout
        with self._changed:
            while not self._closed:
                if self._should_encode(after):
                    return self._encode()
                if self._record is not None and self._record.number != after:
                    return self._record
                left = min(deadline, self._next_look()) - self._clock()
                if deadline <= self._clock():
                    return None
                self._changed.wait(max(left, 0.001))
        return None

    def _should_encode(self, after: int) -> bool:
        newest = 0 if self._frame is None else self._frame[0]
        known = 0 if self._record is None else self._record.number
        return newest > known and newest != after and not self._busy and self._clock() >= self._due

    def _next_look(self) -> float:
        """When time alone may bring something: the end of the pause between two frames."""
        return self._due if self._due > self._clock() else float("inf")

    def _encode(self) -> Record:
        """Encode the newest frame, without the lock; called and left with it."""
        assert self._frame is not None
        number, frame, answer = self._frame
        self._busy, self._due = True, self._clock() + self._period_s
        self._changed.release()
        try:
            record = encode(number, frame, answer)
        finally:
            self._changed.acquire()
            self._busy = False
            self._changed.notify_all()
        self._record = record
        self.encoded += 1
        return record
