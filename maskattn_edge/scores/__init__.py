"""Scores of label maps, from one confusion matrix over a whole data set."""

from maskattn_edge.scores.confusion import (
    confusion_matrix,
    iou_per_class,
    mean_iou,
    pixel_accuracy,
)

__all__ = ["confusion_matrix", "iou_per_class", "mean_iou", "pixel_accuracy"]
