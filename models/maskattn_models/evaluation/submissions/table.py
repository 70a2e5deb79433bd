"""The formats in which predictions can be written, and which one suits a data set."""

from __future__ import annotations

from typing import NamedTuple

from maskattn_edge.contract.classes import ClassInfo
from maskattn_edge.contract.errors import UsageError
from maskattn_edge.contract.spec import Task
from maskattn_models.data.class_tables import cityscapes_table
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


def suitable_format(task: Task, *, cityscapes: bool) -> SubmissionFormat:
    """The official format for a task: that of Cityscapes for its images, else the general one."""
    return next(
        entry for entry in FORMATS.values() if entry.task == task and entry.cityscapes == cityscapes
    )


def official_ids(
    format: SubmissionFormat,
    classes: tuple[ClassInfo, ...],
    given: tuple[int, ...] | None,
    *,
    ade20k: bool = False,
) -> tuple[int, ...]:
    """Official number of each class: Cityscapes' by name, else the data set's own, else 1..K.

    Cityscapes' server takes label ids, not train ids. ADE20K counts the classes of label files
    from 1 and those of segments from 0, as Mask2Former writes its panoptic truth.

    Raises:
        UsageError: a class is none of Cityscapes', whose format is asked for.
    """
    if not format.cityscapes:
        first = 0 if ade20k and format.task != "semantic" else 1
        return given or tuple(range(first, first + len(classes)))
    table = cityscapes_table()
    ids = {info.name: number for info, number in zip(table.classes, table.ids, strict=True)}
    unknown = [info.name for info in classes if info.name not in ids]
    if unknown:
        raise UsageError(f"Cityscapes has no class {unknown[0]!r}; available: {', '.join(ids)}")
    return tuple(ids[info.name] for info in classes)
