"""Images that an export needs: for the INT8 ranges, for verification, and to keep in the file."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from maskattn_edge.contract.checkpoint import MAX_CALIBRATION, MAX_HELD_OUT
from maskattn_edge.contract.classes import IGNORE
from maskattn_edge.contract.errors import DataError
from maskattn_edge.contract.spec import InputSpec
from maskattn_edge.preprocess import fit, fit_labels
from maskattn_edge.segment_grid import fit_segments
from maskattn_edge.segments import Segments
from maskattn_export.apart import judging_samples
from maskattn_models.checkpoint import (
    Checkpoint,
    calibration_images,
    held_out_images,
    held_out_segments,
)
from maskattn_models.data import (
    DataSet,
    Sample,
    load_image,
    load_sample,
    load_segments,
    open_dataset,
    recognised,
    spread,
)
from maskattn_models.data.files import IMAGE_SUFFIXES
from maskattn_models.evaluation import check_classes

MAX_JUDGED = 512
"""Most images of a data set that verify; more would keep an export waiting for little."""

Labelled = tuple[NDArray[np.uint8], NDArray[np.uint8]]


@dataclass(frozen=True)
class ExportImages:
    """Images (H, W, 3) uint8 RGB of the network's size; held-out ones with labels (H, W) uint8.

    `segments` are those of the held-out images, where the task tells objects apart.
    """

    calibration: list[NDArray[np.uint8]]
    held_out: list[Labelled]
    segments: list[Segments] = field(default_factory=list)

    @property
    def for_verification(self) -> list[NDArray[np.uint8]]:
        """Held-out images, or the calibration images where nothing is labelled."""
        return [image for image, _ in self.held_out] or self.calibration


def export_images(
    checkpoint: Checkpoint,
    calibration: Path | None,
    *,
    data: Path | None = None,
    split: str = "val",
    tuning: bool = False,
) -> ExportImages:
    """The checkpoint's own samples, or images from folders in their place.

    Args:
        checkpoint: as loaded.
        calibration: a data set (its train images calibrate, its val images verify), or any folder
            of images, which then only calibrate; held-out samples stay the checkpoint's.
        data: a data set whose images verify. It also calibrates, from its train images, where the
            checkpoint carries none and no other folder is given.
        split: of `data` that verifies.
        tuning: whether a fine-tuning follows; then images that choose its epoch do not verify.

    Raises:
        DataError: a folder has no images, a data set has other classes, or too few to judge apart.
        UsageError: `data` has no such split.
        CheckpointError: a stored picture is damaged.
    """
    images = _calibrating(checkpoint, calibration)
    if data is None:
        return images
    dataset = open_dataset(data)
    check_classes(checkpoint.classes, dataset)
    ranges = images.calibration or _training_images(checkpoint, dataset)
    samples = judging_samples(dataset, split) if tuning else dataset.split(split)
    return _judging(checkpoint, dataset, spread(samples, MAX_JUDGED), ranges)


def _calibrating(checkpoint: Checkpoint, folder: Path | None) -> ExportImages:
    """The checkpoint's samples, with those of `folder` in place of what it offers."""
    if folder is not None and folder.is_dir() and recognised(folder):
        dataset = open_dataset(folder)
        check_classes(checkpoint.classes, dataset)
        val = spread(dataset.split("val"), MAX_HELD_OUT)
        return _judging(checkpoint, dataset, val, _training_images(checkpoint, dataset))
    held_out, segments = held_out_images(checkpoint), held_out_segments(checkpoint)
    if folder is None:
        return ExportImages(calibration_images(checkpoint), held_out, segments)
    files = sorted(file for file in folder.rglob("*") if file.suffix.lower() in IMAGE_SUFFIXES)
    if not files:
        raise DataError(f"{folder}: no images for calibration; put jpg or png files there")
    chosen = spread(files, MAX_CALIBRATION)
    images = [_fit(load_image(file), checkpoint.input) for file in chosen]
    return ExportImages(images, held_out, segments)


def _training_images(checkpoint: Checkpoint, dataset: DataSet) -> list[NDArray[np.uint8]]:
    train = spread(dataset.split("train"), MAX_CALIBRATION)
    return [_fit(load_image(sample.image), checkpoint.input) for sample in train]


def _judging(
    checkpoint: Checkpoint,
    dataset: DataSet,
    samples: Sequence[Sample],
    calibration: list[NDArray[np.uint8]],
) -> ExportImages:
    size = checkpoint.input
    tells_apart = checkpoint.task in dataset.tasks and checkpoint.task != "semantic"
    return ExportImages(
        calibration,
        [_fit_both(*load_sample(sample, dataset), size) for sample in samples],
        [_fit_segments(load_segments(sample, dataset)[1], size) for sample in samples]
        if tells_apart
        else [],
    )


def _fit(image: NDArray[np.uint8], size: InputSpec) -> NDArray[np.uint8]:
    return fit(image, height=size.height, width=size.width, resize=size.resize)[0]


def _fit_segments(segments: Segments, size: InputSpec) -> Segments:
    return fit_segments(segments, height=size.height, width=size.width, resize=size.resize)


def _fit_both(image: NDArray[np.uint8], labels: NDArray[np.uint8], size: InputSpec) -> Labelled:
    cells = fit_labels(
        labels, height=size.height, width=size.width, resize=size.resize, outside=IGNORE
    )
    return _fit(image, size), cells
