"""Scores over a whole data set, from counts that add up: mIoU, panoptic quality, mask AP."""

from maskattn_edge.scores.confusion import (
    confusion_matrix,
    iou_per_class,
    mean_iou,
    pixel_accuracy,
)
from maskattn_edge.scores.panoptic import (
    ClassQuality,
    PanopticCounts,
    Quality,
    mean_quality,
    panoptic_counts,
    quality_per_class,
)

__all__ = [
    "ClassQuality",
    "PanopticCounts",
    "Quality",
    "confusion_matrix",
    "iou_per_class",
    "mean_iou",
    "mean_quality",
    "panoptic_counts",
    "pixel_accuracy",
    "quality_per_class",
]
