"""A model over a split: every image through the model, one tally for all."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from maskattn_edge.contract.classes import ClassInfo
from maskattn_edge.contract.errors import DataError
from maskattn_edge.contract.spec import InputSpec
from maskattn_edge.preprocess import Resize
from maskattn_edge.scores import ClassPrecision, average_precision
from maskattn_models.data import DataSet, Sample, spread
from maskattn_models.data.store import Progress
from maskattn_models.evaluation.answers import Predictor, Segmenter, labelling
from maskattn_models.evaluation.evaluation import Evaluation
from maskattn_models.evaluation.sample import Assignment, ScoredSample, score_sample
from maskattn_models.evaluation.tally import Tally
from maskattn_models.evaluation.truth import open_truth

Each = Callable[[Sample, ScoredSample], None]
"""Told a sample and the outcome for it."""


def evaluate(
    model: Predictor,
    dataset: DataSet,
    split: str,
    *,
    height: int,
    width: int,
    resize: Resize,
    classes: Sequence[ClassInfo] | None = None,
    limit: int | None = None,
    progress: Progress | None = None,
) -> Evaluation:
    """Score the labels of a model on a split, on its grid and at the images' own size.

    Truth on the grid has in each cell the class of the largest area; bars of a letterbox count
    nowhere. For the second score the labels return to the image by nearest neighbour and are
    compared with the mask as it is.

    Args:
        model: labels one image of the grid's size.
        dataset: where images and masks come from.
        split: e.g. "test".
        height: of the grid, in pixels.
        width: of the grid, in pixels.
        resize: how an image is brought to the grid.
        classes: of the model; None leaves out the comparison with the data set's.
        limit: evaluate at most so many images, spread evenly over the split.
        progress: told (done, total) after each image.

    Raises:
        UsageError: the data set has no such split, or `limit` is below 1.
        DataError: the model's classes are not those of the data set, a file cannot be used, or
            the model predicts a class that the data set does not have.
        ContractError: the model's answer has another shape or dtype.
    """
    work = Assignment(
        dataset=dataset,
        split=split,
        truth=open_truth(dataset, split),
        task="semantic",
        input=InputSpec(height=height, width=width, resize=resize),
    )
    segmenter = labelling(model, dataset.classes, work.input)
    return score_split(segmenter, work, classes=classes, limit=limit, progress=progress)


def score_split(
    model: Segmenter,
    work: Assignment,
    *,
    classes: Sequence[ClassInfo] | None = None,
    limit: int | None = None,
    progress: Progress | None = None,
    each: Each | None = None,
) -> Evaluation:
    """Score a model's answers as `evaluate` does its labels, with the scores of the task.

    Segments are brought to the grid and back as labels are. Where a model gives labels only, the
    connected regions of thing classes are its objects.

    Args:
        model: answers one image of the grid's size.
        work: what is evaluated.
        classes: of the model; None leaves out the comparison with the data set's.
        limit: evaluate at most so many images, spread evenly over the split.
        progress: told (done, total) after each image.
        each: told the outcome for each sample.

    Raises:
        UsageError, DataError, ContractError: as `evaluate`; or the truth has no segments.
        MissingDependencyError: mask AP is asked for, but faster-coco-eval is not installed.
    """
    if classes is not None:
        check_classes(classes, work.dataset)
    dataset, task, input = work.dataset, work.task, work.input
    samples: Sequence[Sample] = dataset.split(work.split)
    if limit is not None:
        samples = spread(samples, limit)
    grid, full = (Tally.none(len(dataset.classes), task) for _ in range(2))
    from_labels = False
    for done, sample in enumerate(samples, start=1):
        scored = score_sample(model, sample, work)
        grid, full = grid + scored.grid, full + scored.full
        from_labels = from_labels or (scored.found is not None and scored.result.instances is None)
        if each is not None:
            each(sample, scored)
        if progress is not None:
            progress(done, len(samples))
    return Evaluation(
        dataset=dataset.name,
        split=work.split,
        images=len(samples),
        classes=dataset.classes,
        height=input.height,
        width=input.width,
        resize=input.resize,
        task=task,
        min_area=work.min_area if from_labels else None,
        grid_confusion=grid.confusion,
        full_confusion=full.confusion,
        grid_panoptic=grid.panoptic,
        full_panoptic=full.panoptic,
        grid_precision=_precision(grid, work),
        full_precision=_precision(full, work),
    )


def _precision(tally: Tally, work: Assignment) -> ClassPrecision | None:
    if work.task != "instance":
        return None
    return average_precision(tally.objects, classes=len(work.dataset.classes))


def check_classes(classes: Sequence[ClassInfo], dataset: DataSet) -> None:
    """Compare the classes of a model with those of a data set, by count and name.

    Raises:
        DataError: they differ; the message names the first difference.
    """
    mend = "evaluate it on the data that it was trained on, or correct classes.json"
    if len(classes) != len(dataset.classes):
        raise DataError(
            f"{dataset.root}: the model has {len(classes)} classes, {dataset.name} has "
            f"{len(dataset.classes)}: {mend}"
        )
    for index, (ours, theirs) in enumerate(zip(classes, dataset.classes, strict=True)):
        if ours.name != theirs.name:
            raise DataError(
                f"{dataset.root}: class {index} is {ours.name!r} in the model and "
                f"{theirs.name!r} in {dataset.name}: {mend}"
            )
