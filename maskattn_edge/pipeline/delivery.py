"""The thread that brings results to one sink."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import replace

from maskattn_edge.frame import Frame, FrameTimes
from maskattn_edge.pipeline.figures import Samples
from maskattn_edge.pipeline.meters import Meter
from maskattn_edge.pipeline.scheduling import ask_for_short_turns
from maskattn_edge.pipeline.slot import Slot
from maskattn_edge.pipeline.stats import OutputStats
from maskattn_edge.pipeline.stop import Stop
from maskattn_edge.pipeline.summary import OutputSummary
from maskattn_edge.segmentation import Segmentation
from maskattn_edge.sinks.sink import Sink


class Delivery(threading.Thread):
    """Writes what comes into its slot, then closes the sink; both in this thread.

    `ages` is shared with the other sinks' threads.
    """

    def __init__(
        self,
        sink: Sink,
        slot: Slot[tuple[Frame, Segmentation]],
        stop: Stop,
        *,
        ages: Meter,
        clock: Callable[[], float],
    ) -> None:
        super().__init__(name=f"sink {sink.name}", daemon=True)
        self.slot = slot
        self._sink, self._stop_flag, self._clock = sink, stop, clock
        self._all_ages, self._ages = ages, Samples()

    def run(self) -> None:
        """Write until the slot ends."""
        ask_for_short_turns()
        try:
            with self._sink:
                while (item := self.slot.take()) is not None:
                    self._deliver(*item)
        except BaseException as error:  # noqa: B036 - the caller of the pipeline gets it
            self._stop_flag.fail(error)
        finally:
            self.slot.close(discard=True)  # nobody may wait for a sink that is gone

    def _deliver(self, frame: Frame, answer: Segmentation) -> None:
        times = answer.times or FrameTimes(captured=frame.captured)
        times = replace(times, delivered=self._clock())
        self._sink.write(frame, replace(answer, times=times))
        self._ages.add(times.age_ms)
        self._all_ages.add(times.delivered, times.age_ms)
        if self._sink.stop_requested:
            self._stop_flag.requested = True

    def observe(self, figures: dict[str, object]) -> None:
        """Show the sink how the run stands."""
        self._sink.observe(figures)

    def stats(self) -> OutputStats:
        """What the sink got so far, without ages."""
        return OutputStats(
            name=self._sink.name,
            delivered=self._ages.count,
            dropped=self.slot.dropped + self.slot.discarded,
        )

    def summary(self) -> OutputSummary:
        """What the sink got so far."""
        return OutputSummary(
            name=self._sink.name,
            delivered=self._ages.count,
            dropped=self.slot.dropped + self.slot.discarded,
            age_ms=self._ages.percentiles(),
        )
