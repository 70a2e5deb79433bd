"""The figures of a run, gathered from where they arise."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timezone

from maskattn_edge.engines.engine import Engine
from maskattn_edge.frame import Frame
from maskattn_edge.pipeline.capture import Capture
from maskattn_edge.pipeline.delivery import Delivery
from maskattn_edge.pipeline.facts import RunFacts
from maskattn_edge.pipeline.memory import resident_memory_mb
from maskattn_edge.pipeline.meters import Meters
from maskattn_edge.pipeline.reporter import Rates
from maskattn_edge.pipeline.settings import Settings
from maskattn_edge.pipeline.slot import Slot
from maskattn_edge.pipeline.stats import Stats
from maskattn_edge.pipeline.stop import Stop
from maskattn_edge.pipeline.summary import Dropped, Progress, Summary
from maskattn_edge.sources.source import Source


class Account:
    """Reads the counters of a run's parts; `now` is always the time by the run's clock.

    `began` is when capture began.
    """

    def __init__(
        self,
        source: Source,
        engine: Engine,
        settings: Settings,
        *,
        capture: Capture,
        slot: Slot[Frame],
        meters: Meters,
        deliveries: Sequence[Delivery],
    ) -> None:
        self._source, self._engine, self._settings = source, engine, settings
        self._capture, self._slot = capture, slot
        self._meters, self._deliveries = meters, deliveries
        self._rates = Rates()
        self.began = float("nan")

    def progress(self, now: float) -> Progress:
        """How the run stands, cheaply: no percentiles."""
        length = self._source.length
        if self._settings.max_frames is not None:
            length = min(length or self._settings.max_frames, self._settings.max_frames)
        return Progress(
            seconds=now - self.began,
            captured=self._capture.captured,
            processed=self._meters.latency.count,
            dropped=self._slot.dropped + sum(d.slot.dropped for d in self._deliveries),
            length=length,
            fps=self._meters.latency.rate,
            latency_ms=self._meters.latency.median,
            age_ms=self._meters.labels_age.median,
            lost_s=self._source.losses().lost_s,
        )

    def stats(self, now: float) -> Stats:
        """How the run stands; call it about once a second."""
        facts = self._facts(now)
        capture_fps, fps = self._rates.per_second(now, facts.captured, facts.processed)
        return Stats(
            **vars(facts),
            time=datetime.now(timezone.utc).isoformat(timespec="milliseconds"),
            dropped=self._slot.dropped,
            capture_fps=capture_fps,
            fps=fps,
            latency_ms=self._meters.latency.of_minute(now),
            engine_ms=self._meters.engine.of_minute(now),
            age_ms=self._meters.age.of_minute(now),
            outputs=tuple(delivery.stats() for delivery in self._deliveries),
        )

    def summary(self, now: float, stop: Stop) -> Summary:
        """What the run amounted to, and how it ended."""
        facts = self._facts(now)
        return Summary(
            **vars(facts),
            interrupted=stop.interrupted,
            error=None if stop.error is None else _one_line(stop.error),
            dropped=Dropped(engine=self._slot.dropped, stop=self._slot.discarded),
            capture_fps=_rate(facts.captured, self._capture.seconds),
            fps=_rate(facts.processed, facts.seconds),
            latency_ms=self._meters.latency.of_run(),
            engine_ms=self._meters.engine.of_run(),
            age_ms=self._meters.age.of_run(),
            outputs=tuple(delivery.summary() for delivery in self._deliveries),
        )

    def _facts(self, now: float) -> RunFacts:
        memory_mb, memory_peak_mb = resident_memory_mb()
        return RunFacts(
            seconds=now - self.began,
            source=self._source.describe(),
            live=self._source.live,
            losses=self._source.losses(),
            model=self._engine.spec.name,
            engine=self._engine.name,
            device=self._engine.device,
            captured=self._capture.captured,
            processed=self._meters.latency.count,
            memory_mb=memory_mb,
            memory_peak_mb=memory_peak_mb,
        )


def _one_line(error: BaseException) -> str:
    return " ".join(str(error).split()) or type(error).__name__


def _rate(count: int, seconds: float) -> float:
    return count / seconds if seconds > 0 else float("nan")
