"""The thread that reads the source."""

from __future__ import annotations

import threading
from collections.abc import Callable

from maskattn_edge.frame import Frame
from maskattn_edge.pipeline.scheduling import ask_for_short_turns
from maskattn_edge.pipeline.slot import Slot
from maskattn_edge.pipeline.stop import Stop
from maskattn_edge.sources.source import Source

_PATIENCE_S = 3.0  # a camera that hangs longer is left to its daemon thread


class Capture(threading.Thread):
    """Reads frames into a slot until the end, the limit or a stop, then closes the source.

    A daemon: a camera that hangs in its driver must not keep the program alive.
    """

    def __init__(
        self,
        source: Source,
        slot: Slot[Frame],
        stop: Stop,
        *,
        limit: int | None,
        clock: Callable[[], float],
    ) -> None:
        super().__init__(name="capture", daemon=True)
        self._source, self._slot, self._stop_flag = source, slot, stop
        self._limit, self._clock = limit, clock
        self.captured = 0
        self.seconds = 0.0

    def run(self) -> None:
        """Read until the end."""
        ask_for_short_turns()
        try:
            with self._source:
                self._read_all()
        except BaseException as error:  # noqa: B036 - the caller of the pipeline gets it
            self._stop_flag.fail(error)
        finally:
            self._slot.close()

    def end(self) -> None:
        """Stop reading and close the source, started or not; called by another thread."""
        self._stop_flag.requested = True
        self._slot.close(discard=True)
        if self.ident is None:  # never started
            self._source.close()
        else:
            self._source.interrupt()
            self.join(_PATIENCE_S)

    def _read_all(self) -> None:
        start = self._clock()
        while not self._stop_flag.requested and self.captured != self._limit:
            frame = self._source.read()
            if frame is None:
                return
            self.captured += 1
            self.seconds = self._clock() - start
            if not self._slot.put(frame):
                return
