"""From frames to results: threads, bounded slots, and the figures of a run."""

from maskattn_edge.pipeline.figures import Percentiles
from maskattn_edge.pipeline.observer import Observer
from maskattn_edge.pipeline.pipeline import Pipeline
from maskattn_edge.pipeline.settings import Settings
from maskattn_edge.pipeline.stats import OutputStats, Stats
from maskattn_edge.pipeline.stats_file import StatsFile
from maskattn_edge.pipeline.summary import Dropped, OutputSummary, Progress, Summary
from maskattn_edge.pipeline.summary_file import SummaryFile
from maskattn_edge.pipeline.systemd import SystemdNotifier

__all__ = [
    "Dropped",
    "Observer",
    "OutputStats",
    "OutputSummary",
    "Percentiles",
    "Pipeline",
    "Progress",
    "Settings",
    "Stats",
    "StatsFile",
    "Summary",
    "SummaryFile",
    "SystemdNotifier",
]
