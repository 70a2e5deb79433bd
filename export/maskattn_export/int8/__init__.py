"""INT8 by explicit Q/DQ: placed, calibrated on real images, and kept within a budget."""

from maskattn_export.int8.judge import Judge, Metric
from maskattn_export.int8.kept import kept_layers, kept_nodes
from maskattn_export.int8.quantizers import PLACEMENTS, default_quantizer, place
from maskattn_export.int8.search import BlockLoss, CurvePoint, Int8Result, precision_of, search
from maskattn_export.int8.thresholds import METHODS, Method

__all__ = [
    "METHODS",
    "PLACEMENTS",
    "BlockLoss",
    "CurvePoint",
    "Int8Result",
    "Judge",
    "Method",
    "Metric",
    "default_quantizer",
    "kept_layers",
    "kept_nodes",
    "place",
    "precision_of",
    "search",
]
