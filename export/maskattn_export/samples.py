"""Images that an export needs: for the INT8 ranges, for verification, and to keep in the file."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from maskattn_edge.contract.checkpoint import MAX_CALIBRATION, MAX_HELD_OUT
from maskattn_edge.contract.errors import DataError
from maskattn_edge.contract.spec import InputSpec
from maskattn_edge.preprocess import fit, fit_labels
from maskattn_models.checkpoint import Checkpoint, calibration_images, held_out_images
from maskattn_models.data import load_image, load_labels, open_dataset

_IMAGE_SUFFIXES = {".jpg", ".jpeg", ".png", ".bmp", ".webp"}
_Item = TypeVar("_Item")

Labelled = tuple[NDArray[np.uint8], NDArray[np.uint8]]


@dataclass(frozen=True)
class ExportImages:
    """Images (H, W, 3) uint8 RGB of the network's size; held-out ones with labels (H, W) uint8."""

    calibration: list[NDArray[np.uint8]]
    held_out: list[Labelled]

    @property
    def for_verification(self) -> list[NDArray[np.uint8]]:
        """Held-out images, or the calibration images where nothing is labelled."""
        return [image for image, _ in self.held_out] or self.calibration


def export_images(checkpoint: Checkpoint, folder: Path | None) -> ExportImages:
    """The checkpoint's own samples, or images from `folder` in their place.

    Args:
        checkpoint: as loaded.
        folder: a data set (its train images calibrate, its val images verify), or any folder of
            images, which then only calibrate; held-out samples stay the checkpoint's.

    Raises:
        DataError: the folder has no images, or the data set has other classes.
        CheckpointError: a stored picture is damaged.
    """
    held_out = held_out_images(checkpoint)
    if folder is None:
        return ExportImages(calibration_images(checkpoint), held_out)
    if (folder / "images").is_dir():
        return _from_dataset(checkpoint, folder)
    files = sorted(file for file in folder.rglob("*") if file.suffix.lower() in _IMAGE_SUFFIXES)
    if not files:
        raise DataError(f"{folder}: no images for calibration; put jpg or png files there")
    chosen = spread(files, MAX_CALIBRATION)
    return ExportImages([_fit(load_image(file), checkpoint.input) for file in chosen], held_out)


def spread(items: Sequence[_Item], count: int) -> list[_Item]:
    """At most `count` items, evenly spaced over all of them.

    >>> spread([0, 1, 2, 3, 4, 5], 3)
    [0, 2, 4]
    """
    step = max(1.0, len(items) / count)
    return [items[int(index * step)] for index in range(min(count, len(items)))]


def _from_dataset(checkpoint: Checkpoint, folder: Path) -> ExportImages:
    dataset = open_dataset(folder)
    if [info.name for info in dataset.classes] != [info.name for info in checkpoint.classes]:
        raise DataError(f"{folder}: its classes are not those of the checkpoint")
    size = checkpoint.input
    train = spread(dataset.splits["train"], MAX_CALIBRATION)
    val = spread(dataset.splits["val"], MAX_HELD_OUT)
    return ExportImages(
        [_fit(load_image(sample.image), size) for sample in train],
        [
            (
                _fit(load_image(sample.image), size),
                fit_labels(
                    load_labels(sample, dataset),
                    height=size.height,
                    width=size.width,
                    resize=size.resize,
                    outside=255,
                ),
            )
            for sample in val
        ],
    )


def _fit(image: NDArray[np.uint8], size: InputSpec) -> NDArray[np.uint8]:
    return fit(image, height=size.height, width=size.width, resize=size.resize)[0]
