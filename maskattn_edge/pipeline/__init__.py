"""From frames to results: threads, bounded slots, and the figures of a run."""

from maskattn_edge.pipeline.figures import Percentiles
from maskattn_edge.pipeline.pipeline import Pipeline
from maskattn_edge.pipeline.settings import Settings
from maskattn_edge.pipeline.summary import Dropped, OutputSummary, Progress, Summary

__all__ = [
    "Dropped",
    "OutputSummary",
    "Percentiles",
    "Pipeline",
    "Progress",
    "Settings",
    "Summary",
]
