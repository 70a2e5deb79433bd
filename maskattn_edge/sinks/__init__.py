"""Where results go: one interface, one table, one file per kind."""

from maskattn_edge.sinks.sink import Sink
from maskattn_edge.sinks.table import SINKS, Outputs, open_sinks

__all__ = ["SINKS", "Outputs", "Sink", "open_sinks"]
