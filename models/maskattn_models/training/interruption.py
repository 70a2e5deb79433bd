"""Ctrl-C and SIGTERM end a run between two steps, with its files complete."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

from maskattn_edge.contract.errors import TrainingError

Stop = Callable[[], bool]
"""Asked after each step; if true the run ends with `TrainingInterrupted`."""


def never() -> bool:
    """The `stop` of a run that nobody interrupts."""
    return False


class TrainingInterrupted(TrainingError):
    """The user stopped the run; its last finished epoch is saved and can be resumed."""

    exit_code = 130


@contextmanager
def stop_on_signal() -> Iterator[Stop]:
    """Yield a function that tells whether Ctrl-C or SIGTERM came; a second one ends at once.

    Within a second two count as one: torchrun passes on what the terminal has sent already.
    Only the main thread gets signals; in another one the function is always false.
    """
    asked = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield asked.is_set
        return

    first = 0.0

    def stop(number: int, frame: FrameType | None) -> None:
        nonlocal first
        if not asked.is_set():
            first = time.monotonic()
            asked.set()
        elif time.monotonic() - first > 1:
            raise KeyboardInterrupt

    former = {number: signal.signal(number, stop) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield asked.is_set
    finally:
        for number, handler in former.items():
            signal.signal(number, handler)
