"""Where frames come from: one interface, one table, one file per kind."""

from maskattn_edge.frame import Frame
from maskattn_edge.sources.source import Source
from maskattn_edge.sources.table import SCHEMES, open_source

__all__ = ["SCHEMES", "Frame", "Source", "open_source"]
