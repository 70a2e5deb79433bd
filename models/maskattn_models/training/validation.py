"""Validation: counts over a whole split, on the network's grid."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from maskattn_edge.contract.classes import ClassInfo
from maskattn_edge.scores import (
    PanopticCounts,
    confusion_matrix,
    iou_per_class,
    mean_iou,
    mean_quality,
    panoptic_counts,
    pixel_accuracy,
)
from maskattn_edge.segments import joined_segments
from maskattn_models.answers import answers
from maskattn_models.data import GridStore
from maskattn_models.network import Deployed, NetworkConfig
from maskattn_models.training.ranks import Ranks

_BATCH = 64


@dataclass(frozen=True, kw_only=True, eq=False)
class Validation:
    """What a network scores.

    Args:
        confusion: (K, K) pixels; rows are truth, columns prediction.
        panoptic: counts of matched segments; None where no objects are told apart.
    """

    confusion: NDArray[np.int64]
    panoptic: PanopticCounts | None = None

    @property
    def miou(self) -> float:
        """Mean IoU, a fraction."""
        return mean_iou(self.confusion)

    @property
    def pixel_accuracy(self) -> float:
        """Share of the labelled pixels that are right."""
        return pixel_accuracy(self.confusion)

    @property
    def iou(self) -> NDArray[np.float64]:
        """IoU of each class, (K,)."""
        return iou_per_class(self.confusion)

    def quality(self, config: NetworkConfig) -> float:
        """PQ, a fraction: of all classes, or for the instance task of things; NaN for neither."""
        if self.panoptic is None:
            return float("nan")
        which = np.ones(config.classes, bool)
        if config.task == "instance":
            which = np.isin(np.arange(config.classes), config.things)
        return mean_quality(self.panoptic, which).pq

    def summed(self, ranks: Ranks) -> Validation:
        """The counts of all ranks together."""
        panoptic = self.panoptic
        if panoptic is not None:
            panoptic = PanopticCounts(
                iou_sum=ranks.sum(panoptic.iou_sum),
                tp=ranks.sum(panoptic.tp),
                fp=ranks.sum(panoptic.fp),
                fn=ranks.sum(panoptic.fn),
            )
        return Validation(confusion=ranks.sum(self.confusion), panoptic=panoptic)


def validate(
    deployed: Deployed, store: GridStore, *, classes: Sequence[ClassInfo], device: torch.device
) -> Validation:
    """Score a network on a split, which has segments if the network tells objects apart."""
    confusion = np.zeros((len(classes), len(classes)), np.int64)
    panoptic = None if deployed.grouping is None else PanopticCounts.none(len(classes))
    for start in range(0, len(store), _BATCH):
        part = slice(start, start + _BATCH)
        found = answers(deployed, store.images[part], device)
        labels = np.stack([answer.labels for answer in found])
        confusion += confusion_matrix(store.labels[part], labels, classes=len(classes))
        if panoptic is None:
            continue
        assert store.segments is not None  # decoded with them for this task
        for index, answer in enumerate(found, start=start):
            segments = joined_segments(answer.labels, answer.instances, classes)
            truth = store.segments[index]
            panoptic += panoptic_counts(truth, segments, classes=len(classes))
    return Validation(confusion=confusion, panoptic=panoptic)
