"""What one thread leaves for the next: the newest frame only, or a bounded queue."""

from __future__ import annotations

import threading
from collections import deque
from typing import Generic, TypeVar

T = TypeVar("T")


class Slot(Generic[T]):
    """Holds up to `capacity` items between a thread that puts and a thread that takes.

    A lossy slot never lets the putting thread wait: the oldest item makes room, and `dropped`
    counts it. With a capacity of 1 it holds only the newest. Otherwise `put` waits for room.
    """

    def __init__(self, capacity: int = 1, *, lossy: bool = True) -> None:
        self._items: deque[T] = deque()
        self._capacity = capacity
        self._lossy = lossy
        self._closed = False
        self._changed = threading.Condition()
        self.dropped = 0
        """Items that newer ones pushed out."""
        self.discarded = 0
        """Items that were left when the slot was closed, or came after."""

    def put(self, item: T) -> bool:
        """Leave an item; False if the slot is closed."""
        with self._changed:
            while not self._closed and not self._lossy and len(self._items) >= self._capacity:
                self._changed.wait()
            if self._closed:
                self.discarded += 1
                return False
            if len(self._items) >= self._capacity:
                self._items.popleft()
                self.dropped += 1
            self._items.append(item)
            self._changed.notify_all()
            return True

    def take(self, timeout: float | None = None) -> T | None:
        """The oldest item; None at the end, or where none came within `timeout` seconds."""
        with self._changed:
            self._changed.wait_for(lambda: self._items or self._closed, timeout)
            if not self._items:
                return None
            self._changed.notify_all()
            return self._items.popleft()

    @property
    def ended(self) -> bool:
        """Whether it is closed and empty."""
        with self._changed:
            return self._closed and not self._items

    def close(self, *, discard: bool = False) -> None:
        """Take no further items; what is inside can still be taken, unless it is discarded."""
        with self._changed:
            self._closed = True
            if discard:
                self.discarded += len(self._items)
                self._items.clear()
            self._changed.notify_all()
