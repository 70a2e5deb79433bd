"""A model over a split: every image through the model, one confusion matrix for all."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from maskattn_edge.contract.classes import IGNORE, ClassInfo
from maskattn_edge.contract.errors import ContractError, DataError
from maskattn_edge.preprocess import Geometry, Resize, fit, fit_labels, unfit_labels
from maskattn_edge.scores import confusion_matrix
from maskattn_models.data import DataSet, Sample, load_sample, spread
from maskattn_models.data.store import Progress
from maskattn_models.evaluation.evaluation import Evaluation
from maskattn_models.evaluation.predictor import Predictor


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
    """Score a model on a split, on its grid and at the images' own size.

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
    if classes is not None:
        check_classes(classes, dataset)
    samples: Sequence[Sample] = dataset.split(split)
    if limit is not None:
        samples = spread(samples, limit)
    count = len(dataset.classes)
    grid, full = (np.zeros((count, count), np.int64) for _ in range(2))
    for done, sample in enumerate(samples, start=1):
        image, truth = load_sample(sample, dataset)
        labels, place = predict(model, image, height=height, width=width, resize=resize)
        cells = fit_labels(truth, height=height, width=width, resize=resize, outside=IGNORE)
        try:
            grid += confusion_matrix(cells, labels, classes=count)
            full += confusion_matrix(truth, unfit_labels(labels, place), classes=count)
        except ContractError as error:
            raise DataError(
                f"{sample.image}: the model's answer does not fit {dataset.name} ({error}): "
                "evaluate it on data with the classes that it was trained on"
            ) from error
        if progress is not None:
            progress(done, len(samples))
    return Evaluation(
        dataset=dataset.name,
        split=split,
        images=len(samples),
        classes=dataset.classes,
        height=height,
        width=width,
        resize=resize,
        grid_confusion=grid,
        full_confusion=full,
    )


def predict(
    model: Predictor, image: NDArray[np.uint8], *, height: int, width: int, resize: Resize
) -> tuple[NDArray[np.uint8], Geometry]:
    """Labels of an image, (H, W, 3) uint8 RGB, on the grid, (height, width) uint8, and its place.

    Raises:
        ContractError: the model's answer has another shape or dtype.
    """
    fitted, place = fit(image, height=height, width=width, resize=resize)
    labels = model(fitted[np.newaxis])
    if labels.shape != (1, height, width) or labels.dtype != np.uint8:
        raise ContractError(
            f"a model's answer is (1, {height}, {width}) uint8, got {labels.shape} of "
            f"{labels.dtype}"
        )
    return labels[0], place


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
