"""What is counted of one picture at one size; tallies of pictures add up to that of a data set."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from maskattn_edge.contract.classes import ClassInfo
from maskattn_edge.contract.spec import Task
from maskattn_edge.scores import (
    ObjectMask,
    PanopticCounts,
    PictureObjects,
    confusion_matrix,
    object_masks,
    panoptic_counts,
)
from maskattn_edge.segments import Segments


@dataclass(frozen=True, kw_only=True, eq=False)
class Tally:
    """Counts of pictures.

    Args:
        confusion: (K, K) pixels; rows are truth.
        panoptic: for the panoptic task.
        objects: one entry a picture, for the instance task.
    """

    confusion: NDArray[np.int64]
    panoptic: PanopticCounts | None = None
    objects: tuple[PictureObjects, ...] = ()

    @classmethod
    def none(cls, classes: int, task: Task) -> Tally:
        """The counts of no picture."""
        return cls(
            confusion=np.zeros((classes, classes), np.int64),
            panoptic=PanopticCounts.none(classes) if task == "panoptic" else None,
        )

    def __add__(self, other: Tally) -> Tally:
        panoptic = self.panoptic
        if panoptic is not None and other.panoptic is not None:
            panoptic = panoptic + other.panoptic
        return Tally(
            confusion=self.confusion + other.confusion,
            panoptic=panoptic,
            objects=self.objects + other.objects,
        )


def count_picture(
    labels: tuple[NDArray[np.uint8], NDArray[np.uint8]],
    segments: tuple[Segments, Segments] | None,
    *,
    classes: Sequence[ClassInfo],
    task: Task,
    official: tuple[ObjectMask, ...] | None = None,
) -> Tally:
    """Count the pixels of a picture, and what else the task asks for.

    Args:
        labels: of truth and answer, each (H, W) uint8.
        segments: of truth and answer, of that size; None for the semantic task.
        classes: by index; which of them are things.
        task: to score.
        official: objects of the truth, where they say more than its segments.

    Raises:
        ContractError: as `confusion_matrix`, `panoptic_counts`, `object_masks`.
        MissingDependencyError: mask AP is asked for, but faster-coco-eval is not installed.
    """
    confusion = confusion_matrix(*labels, classes=len(classes))
    if segments is None:
        return Tally(confusion=confusion)
    truth, found = segments
    if task == "panoptic":
        counts = panoptic_counts(truth, found, classes=len(classes))
        return Tally(confusion=confusion, panoptic=counts)
    things = np.array([info.thing for info in classes], bool)
    height, width = found.map.shape
    picture = PictureObjects(
        height=height,
        width=width,
        truth=object_masks(truth, things) if official is None else official,
        found=object_masks(found, things),
    )
    return Tally(confusion=confusion, objects=(picture,))
