"""When a frame of a network stream was taken, by this machine's clock."""

from __future__ import annotations

import math

_WINDOW_S = 30.0


class StreamClock:
    """Maps the stream's own times to the monotonic clock.

    After a network stall a server sends what it had kept: those frames arrive now, but are old.
    The quickest frame of the last half minute tells how the two clocks lie; a frame that comes
    later than that is so much older. The window lets the clocks drift apart slowly.
    """

    def __init__(self) -> None:
        self._began = -math.inf
        self._before = self._current = math.inf

    def captured(self, arrived: float, stream_s: float) -> float:
        """When the frame was taken; at the latest `arrived`.

        Args:
            arrived: by the monotonic clock, seconds.
            stream_s: the frame's time in the stream, seconds.
        """
        offset = arrived - stream_s
        if arrived - self._began >= _WINDOW_S:
            self._began, self._before, self._current = arrived, self._current, offset
        self._current = min(self._current, offset)
        return min(arrived, stream_s + min(self._before, self._current))
