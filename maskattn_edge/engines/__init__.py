"""Back ends that run a model file: one interface, one table, one file per back end."""

from maskattn_edge.engines.engine import Engine
from maskattn_edge.engines.table import BACKENDS, BUILDS_FIRST, CHOICES, open_engine

__all__ = ["BACKENDS", "BUILDS_FIRST", "CHOICES", "Engine", "open_engine"]
