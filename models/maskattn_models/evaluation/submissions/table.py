"""The formats in which predictions can be written, and which one suits a data set."""

from __future__ import annotations

from typing import NamedTuple

from maskattn_edge.contract.classes import ClassInfo
from maskattn_edge.contract.errors import UsageError
from maskattn_edge.contract.spec import Task
from maskattn_models.evaluation.submissions.cityscapes_instances import CityscapesInstances
from maskattn_models.evaluation.submissions.coco_instances import CocoInstances
from maskattn_models.evaluation.submissions.coco_panoptic import CocoPanoptic
from maskattn_models.evaluation.submissions.label_png import LabelPng
from maskattn_models.evaluation.submissions.submission import SubmissionWriter


class SubmissionFormat(NamedTuple):
    """One format: who writes it, and for which task."""

    writer: type[SubmissionWriter]
    task: Task
    cityscapes: bool = False


FORMATS = {
    "labels": SubmissionFormat(LabelPng, "semantic"),
    "cityscapes-labels": SubmissionFormat(LabelPng, "semantic", cityscapes=True),
    "coco-panoptic": SubmissionFormat(CocoPanoptic, "panoptic"),
    "cityscapes-panoptic": SubmissionFormat(CocoPanoptic, "panoptic", cityscapes=True),
    "coco-instances": SubmissionFormat(CocoInstances, "instance"),
    "cityscapes-instances": SubmissionFormat(CityscapesInstances, "instance", cityscapes=True),
}

CITYSCAPES_IDS = {
    "road": 7,
    "sidewalk": 8,
    "building": 11,
    "wall": 12,
    "fence": 13,
    "pole": 17,
    "traffic light": 19,
    "traffic sign": 20,
    "vegetation": 21,
    "terrain": 22,
    "sky": 23,
    "person": 24,
    "rider": 25,
    "car": 26,
    "truck": 27,
    "bus": 28,
    "train": 31,
    "motorcycle": 32,
    "bicycle": 33,
}
"""Label id of each class that Cityscapes scores; its server takes these, not train ids."""


def suitable_format(task: Task, *, cityscapes: bool) -> SubmissionFormat:
    """The official format for a task: that of Cityscapes for its images, else the general one."""
    return next(
        entry for entry in FORMATS.values() if entry.task == task and entry.cityscapes == cityscapes
    )


def official_ids(
    format: SubmissionFormat, classes: tuple[ClassInfo, ...], given: tuple[int, ...] | None
) -> tuple[int, ...]:
    """Official number of each class: Cityscapes' by name, else the data set's own, else 1..K.

    Raises:
        UsageError: a class is none of Cityscapes', whose format is asked for.
    """
    if not format.cityscapes:
        return given or tuple(range(1, len(classes) + 1))
    unknown = [info.name for info in classes if info.name not in CITYSCAPES_IDS]
    if unknown:
        raise UsageError(
            f"Cityscapes has no class {unknown[0]!r}; available: {', '.join(CITYSCAPES_IDS)}"
        )
    return tuple(CITYSCAPES_IDS[info.name] for info in classes)
