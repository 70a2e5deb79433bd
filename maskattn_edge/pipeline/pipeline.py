"""A frame's way: capture thread -> slot -> engine on the calling thread -> a thread per sink."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

import numpy as np

from maskattn_edge.engines.engine import Engine
from maskattn_edge.frame import Frame
from maskattn_edge.pipeline.account import Account
from maskattn_edge.pipeline.capture import Capture
from maskattn_edge.pipeline.delivery import Delivery
from maskattn_edge.pipeline.meters import Meters
from maskattn_edge.pipeline.observer import Observer
from maskattn_edge.pipeline.reporter import Reporter
from maskattn_edge.pipeline.settings import Settings
from maskattn_edge.pipeline.slot import Slot
from maskattn_edge.pipeline.stop import Stop, stopped_by_signals
from maskattn_edge.pipeline.summary import Progress, Summary
from maskattn_edge.segmentation import Segmentation
from maskattn_edge.segmenter import segment
from maskattn_edge.sinks.sink import Sink
from maskattn_edge.sources.source import Source

_POLL_S = 0.1  # a signal ends the wait for a frame within this time
_REPORT_S = 0.2
_ABORT_S = 1.0


class Pipeline:
    """One run of an engine over a source.

    Live: the engine gets the newest frame, a slow sink misses frames, and both are counted.
    Files: every frame, in order; whoever is slow lets the others wait.

    The pipeline closes `source` and `sinks`; `engine` belongs to the caller, whose thread uses
    it in `run`. A pipeline runs once. `observers` are told how it goes, and stay open.
    """

    def __init__(
        self,
        source: Source,
        engine: Engine,
        sinks: Sequence[Sink] = (),
        settings: Settings | None = None,
        *,
        observers: Sequence[Observer] = (),
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._source, self._engine = source, engine
        self._settings = settings or Settings()
        self._clock = clock
        self._stop = Stop()
        self._slot: Slot[Frame] = Slot(
            1 if source.live else self._settings.queue_frames, lossy=source.live
        )
        limit = None if source.live else self._settings.max_frames
        self._capture = Capture(source, self._slot, self._stop, limit=limit, clock=clock)
        self._meters = Meters()
        self._deliveries = [self._delivery(sink) for sink in sinks]
        self._observers = observers
        self._showing = [
            d for d, sink in zip(self._deliveries, sinks, strict=True) if sink.observes
        ]
        self._reporter = Reporter(self._report)
        self._account = Account(
            source,
            engine,
            self._settings,
            capture=self._capture,
            slot=self._slot,
            meters=self._meters,
            deliveries=self._deliveries,
        )
        self._reported = float("nan")

    def run(self, on_progress: Callable[[Progress], None] | None = None) -> Summary:
        """Segment until the source ends, `max_frames` are done, or SIGINT or SIGTERM comes.

        Whatever ends the run, all results so far reach the sinks, and the sinks are closed
        before this returns or raises. A second signal aborts at once.

        Args:
            on_progress: called on this thread, at most five times a second.

        Raises:
            MaskAttnError: the source, the engine or a sink failed.
            KeyboardInterrupt: a second signal came before the sinks were done.
        """
        with stopped_by_signals(self._stop):
            try:
                self._run(on_progress)
                self._drain()
            except KeyboardInterrupt:
                self._abort()
                raise
        summary = self._account.summary(self._clock(), self._stop)
        for observer in self._observers:
            observer.ended(summary)
        if self._stop.error is not None:
            raise self._stop.error
        return summary

    def _delivery(self, sink: Sink) -> Delivery:
        return Delivery(
            sink,
            Slot(self._settings.queue_frames, lossy=self._source.live),
            self._stop,
            ages=self._meters.age,
            clock=self._clock,
        )

    def _run(self, on_progress: Callable[[Progress], None] | None) -> None:
        for delivery in self._deliveries:
            delivery.start()
        try:
            self._warm_up()
            self._account.began = self._reported = self._clock()
            self._capture.start()
            if self._observers or self._showing:
                self._reporter.start()
            for observer in self._observers:
                observer.ready()
            self._loop(on_progress)
        except Exception as error:
            self._stop.fail(error)

    def _warm_up(self) -> None:
        size = self._engine.spec.input
        blank = np.zeros((1, size.height, size.width, 3), np.uint8)
        for _ in range(self._settings.warmup_frames):
            self._engine.infer(blank)

    def _loop(self, on_progress: Callable[[Progress], None] | None) -> None:
        while not self._stop.requested:
            self._alive()
            frame = self._slot.take(_POLL_S)
            if frame is not None:
                began = self._clock()
                self._process(frame)
                if self._meters.latency.count == self._settings.max_frames:
                    return
                self._pace(began)
            elif self._slot.ended:
                return
            if on_progress is not None and self._clock() - self._reported >= _REPORT_S:
                self._reported = self._clock()
                on_progress(self._account.progress(self._clock()))

    def _process(self, frame: Frame) -> None:
        answer = segment(self._engine, frame, self._clock)
        assert answer.times is not None
        self._meters.count(answer.times, delivered=bool(self._deliveries))
        self._deliver(frame, answer)

    def _deliver(self, frame: Frame, answer: Segmentation) -> None:
        for delivery in self._deliveries:
            delivery.slot.put((frame, answer))

    def _pace(self, began: float) -> None:
        """Wait until the next frame may be taken."""
        if self._settings.max_fps is None:
            return
        due = began + 1 / self._settings.max_fps
        while not self._stop.requested and (left := due - self._clock()) > 0:
            time.sleep(min(left, _POLL_S))
            self._alive()

    def _alive(self) -> None:
        for observer in self._observers:
            observer.alive()

    def _report(self) -> None:
        stats = self._account.stats(self._clock())
        figures = stats.as_dict()
        for delivery in self._showing:
            delivery.observe(figures)
        for observer in self._observers:
            observer.stats(stats)

    def _drain(self) -> None:
        """End capture, then let every sink write what it has and close."""
        self._stop.requested = True
        for observer in self._observers:
            observer.stopping()
        self._capture.end()
        for delivery in self._deliveries:
            delivery.slot.close()
        for delivery in self._deliveries:
            delivery.join()
        self._reporter.finish(_ABORT_S)

    def _abort(self) -> None:
        """Throw away what waits, and give the sinks a moment to close their files."""
        self._stop.requested = True
        self._reporter.finish(0)
        self._slot.close(discard=True)
        for delivery in self._deliveries:
            delivery.slot.close(discard=True)
        deadline = time.monotonic() + _ABORT_S
        for delivery in self._deliveries:
            if delivery.ident is not None:
                delivery.join(max(0.0, deadline - time.monotonic()))
