"""The interface of what follows a run from outside, without getting its frames."""

from __future__ import annotations

from maskattn_edge.pipeline.stats import Stats
from maskattn_edge.pipeline.summary import Summary


class Observer:
    """Is told how a run goes; each method does nothing unless it is overridden.

    What an observer does must be quick, and no fault of it may end a run: it raises nothing.
    """

    def ready(self) -> None:
        """The engine is warm and the source is read; on the engine's thread."""

    def alive(self) -> None:
        """The engine's thread went round, ten times a second or more often; on that thread."""

    def stats(self, stats: Stats) -> None:
        """How the run stands, once a second; on a thread of its own."""

    def stopping(self) -> None:
        """The run ends; the sinks still write what they have."""

    def ended(self, summary: Summary) -> None:
        """The run is over; `summary.error` says why, where it failed."""
