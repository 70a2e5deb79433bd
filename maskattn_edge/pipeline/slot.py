"""What one thread leaves for the next: the newest frame only, or a bounded queue."""

from __future__ import annotations

import threading
import time
from collections import deque
from contextlib import suppress
from typing import Generic, TypeVar

T = TypeVar("T")


class Slot(Generic[T]):
    """Holds up to `capacity` items between a thread that puts and a thread that takes.

    A lossy slot never lets the putting thread wait: the oldest item makes room, and `dropped`
    counts it. With a capacity of 1 it holds only the newest. Otherwise `put` waits for room, and
    goes on when the slot is half empty, so that a full queue costs a switch of threads for every
    other item and not for each.

    One thread puts, one takes; any thread may close.
    """

    def __init__(self, capacity: int = 1, *, lossy: bool = True) -> None:
        self._items: deque[T] = deque()
        self._capacity = capacity
        self._lossy = lossy
        self._closed = False
        self._guard = threading.Lock()
        self._filled, self._emptied = _Bell(), _Bell()
        self.dropped = 0
        """Items that newer ones pushed out."""
        self.discarded = 0
        """Items that were left when the slot was closed, or came after."""

    def put(self, item: T) -> bool:
        """Leave an item; False if the slot is closed."""
        if not self._lossy:
            self._wait_for_room()
        with self._guard:
            if self._closed:
                self.discarded += 1
                return False
            if len(self._items) >= self._capacity:
                self._items.popleft()
                self.dropped += 1
            self._items.append(item)
        self._filled.ring()
        return True

    def take(self, timeout: float | None = None) -> T | None:
        """The oldest item; None at the end, or where none came within `timeout` seconds."""
        deadline = None if timeout is None else time.monotonic() + timeout
        while True:
            with self._guard:
                item = self._items.popleft() if self._items else None
                left, closed = len(self._items), self._closed
            if item is not None:
                if not self._lossy and left <= self._capacity // 2:
                    self._emptied.ring()
                return item
            if closed or not self._filled.wait(deadline):
                return None

    @property
    def ended(self) -> bool:
        """Whether it is closed and empty."""
        with self._guard:
            return self._closed and not self._items

    def close(self, *, discard: bool = False) -> None:
        """Take no further items; what is inside can still be taken, unless it is discarded."""
        with self._guard:
            self._closed = True
            if discard:
                self.discarded += len(self._items)
                self._items.clear()
        self._filled.ring()
        self._emptied.ring()

    def _wait_for_room(self) -> None:
        while not self._closed and len(self._items) >= self._capacity:
            self._emptied.wait(None)


class _Bell:
    """Wakes the one thread that waits, or the next one that will.

    A `threading.Condition` is rung with its lock held, which the thread that wakes then waits for:
    two switches of threads for one, each of which can cost a frame 0.1 ms.
    """

    def __init__(self) -> None:
        self._silent = threading.Lock()
        self._silent.acquire()

    def ring(self) -> None:
        """Let a `wait` return; more than one ring before it count as one."""
        with suppress(RuntimeError):  # it rings already
            self._silent.release()

    def wait(self, deadline: float | None) -> bool:
        """Wait for a ring; False if none came until `deadline` of the monotonic clock."""
        if deadline is None:
            return self._silent.acquire()
        return self._silent.acquire(timeout=max(0.0, deadline - time.monotonic()))
