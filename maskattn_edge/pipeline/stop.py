"""How the threads of a run learn that it is over."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType


class Stop:
    """Why a run ends before its source does.

    Plain attributes without a lock, because a signal handler sets them and could wait for ever
    for a lock that the interrupted code holds.
    """

    def __init__(self) -> None:
        self.requested = False
        self.interrupted = False
        self.error: BaseException | None = None

    def fail(self, error: BaseException) -> None:
        """End the run because of `error`; the first one counts."""
        if self.error is None:
            self.error = error
        self.requested = True

    def interrupt(self) -> None:
        """End the run because the user says so.

        Raises:
            KeyboardInterrupt: the user said so before, and does not want to wait.
        """
        if self.interrupted:
            raise KeyboardInterrupt
        self.interrupted = True
        self.requested = True


@contextmanager
def stopped_by_signals(stop: Stop) -> Iterator[None]:
    """SIGINT and SIGTERM end the run within this block; outside the main thread, nothing does."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def handle(number: int, frame: FrameType | None) -> None:
        stop.interrupt()

    former = {number: signal.signal(number, handle) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in former.items():
            signal.signal(number, handler)
