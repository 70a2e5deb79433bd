"""Scores over a whole data set, from counts that add up: mIoU, panoptic quality, mask AP."""

from maskattn_edge.scores.average_precision import (
    ClassPrecision,
    PictureObjects,
    Precision,
    average_precision,
    mean_precision,
)
from maskattn_edge.scores.confusion import (
    confusion_matrix,
    iou_per_class,
    mean_iou,
    pixel_accuracy,
)
from maskattn_edge.scores.objects import ObjectMask, annotated_object, mask_coder, object_masks
from maskattn_edge.scores.panoptic import (
    ClassQuality,
    PanopticCounts,
    Quality,
    mean_quality,
    panoptic_counts,
    quality_per_class,
)

__all__ = [
    "ClassPrecision",
    "ClassQuality",
    "ObjectMask",
    "PanopticCounts",
    "PictureObjects",
    "Precision",
    "Quality",
    "annotated_object",
    "average_precision",
    "confusion_matrix",
    "iou_per_class",
    "mask_coder",
    "mean_iou",
    "mean_precision",
    "mean_quality",
    "object_masks",
    "panoptic_counts",
    "pixel_accuracy",
    "quality_per_class",
]
