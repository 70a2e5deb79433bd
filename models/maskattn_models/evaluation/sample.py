"""One sample: what a model answers, and how that compares with the truth at both sizes."""

from __future__ import annotations

from dataclasses import dataclass

from maskattn_edge.components import MIN_AREA
from maskattn_edge.contract.classes import IGNORE
from maskattn_edge.contract.errors import ContractError, DataError
from maskattn_edge.contract.spec import InputSpec, Task
from maskattn_edge.preprocess import fit_labels
from maskattn_edge.segment_grid import fit_segments, unfit_segments
from maskattn_edge.segmentation import Segmentation
from maskattn_edge.segments import Segments
from maskattn_models.data import DataSet, Sample
from maskattn_models.evaluation.answers import Segmenter, answer, found_segments
from maskattn_models.evaluation.tally import Tally, count_picture
from maskattn_models.evaluation.truth import SampleTruth, TruthSource


@dataclass(frozen=True, kw_only=True, eq=False)
class Assignment:
    """What is evaluated.

    Args:
        dataset: where images come from.
        split: e.g. "test".
        truth: of the split.
        task: "semantic" for mIoU, "panoptic" for PQ beside it, "instance" for mask AP beside it.
        input: the grid, and how an image is brought to it.
        min_area: pixels of the grid that a segment made from plain labels has at least.
    """

    dataset: DataSet
    split: str
    truth: TruthSource
    task: Task
    input: InputSpec
    min_area: int = MIN_AREA


@dataclass(frozen=True, kw_only=True, eq=False)
class ScoredSample:
    """The outcome for one sample.

    Args:
        known: truth.
        result: the model's answer.
        found: its segments at the image's size; None for the semantic task.
        grid: what was counted on the grid.
        full: what was counted at the image's size.
    """

    known: SampleTruth
    result: Segmentation
    found: Segments | None
    grid: Tally
    full: Tally


def score_sample(model: Segmenter, sample: Sample, work: Assignment) -> ScoredSample:
    """Answer and count one sample.

    Raises:
        DataError: a file cannot be used, or the answer has a class that the data set has not.
        ContractError: the answer has another shape or dtype.
        MissingDependencyError: mask AP is asked for, but faster-coco-eval is not installed.
    """
    known = work.truth.load(sample)
    result = answer(model, known.image, work.input)
    try:
        found = None
        if work.task != "semantic":
            found = found_segments(result, work.dataset.classes, min_area=work.min_area)
        grid = _on_grid(known, result, found, work)
        if found is not None and result.place is not None:
            found = unfit_segments(found, result.place)
        full = _at_full_size(sample, known, result, found, work)
    except ContractError as error:
        raise DataError(
            f"{sample.image}: the model's answer does not fit {work.dataset.name} ({error}): "
            "evaluate it on data with the classes that it was trained on"
        ) from error
    return ScoredSample(known=known, result=result, found=found, grid=grid, full=full)


def _on_grid(
    known: SampleTruth, result: Segmentation, found: Segments | None, work: Assignment
) -> Tally:
    height, width, resize = work.input.height, work.input.width, work.input.resize
    cells = fit_labels(known.labels, height=height, width=width, resize=resize, outside=IGNORE)
    segments = None
    if found is not None:
        truth = fit_segments(_segments(known), height=height, width=width, resize=resize)
        segments = truth, found
    return count_picture(
        (cells, result.labels), segments, classes=work.dataset.classes, task=work.task
    )


def _at_full_size(
    sample: Sample,
    known: SampleTruth,
    result: Segmentation,
    found: Segments | None,
    work: Assignment,
) -> Tally:
    official = None
    if work.task == "instance" and work.truth.objects is not None:
        official = work.truth.objects(sample)
    return count_picture(
        (known.labels, result.frame_labels),
        None if found is None else (_segments(known), found),
        classes=work.dataset.classes,
        task=work.task,
        official=official,
    )


def _segments(known: SampleTruth) -> Segments:
    if known.segments is None:
        raise ContractError("its truth has no segments")
    return known.segments
