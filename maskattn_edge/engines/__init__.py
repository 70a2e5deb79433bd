"""Back ends that run a model file: one interface, one table, one file per back end."""

from maskattn_edge.engines.engine import Engine
from maskattn_edge.engines.table import BACKENDS, CHOICES, open_engine

__all__ = ["BACKENDS", "CHOICES", "Engine", "open_engine"]
