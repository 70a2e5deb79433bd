"""Segments of the plain layout: `instances/` beside `masks/`, with PNG files of the same names.

8 or 16 bits, 0 = no object, 1..K = an object, whose class is that of its pixels in the mask.
"""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from maskattn_edge.contract.classes import IGNORE, ClassInfo
from maskattn_edge.contract.errors import DataError
from maskattn_edge.segments import Segments
from maskattn_models.data import DataSet, Sample


def instances_file(sample: Sample, dataset: DataSet) -> Path | None:
    """Where a sample's instance numbers lie; None if its mask is not in the plain layout."""
    masks = dataset.root / "masks"
    if not sample.mask.is_relative_to(masks):
        return None
    path = dataset.root / "instances" / sample.mask.relative_to(masks)
    return path if path.is_file() else None


def joined_segments(
    labels: NDArray[np.uint8], path: Path, classes: tuple[ClassInfo, ...]
) -> Segments:
    """Objects by number, then a segment for each class outside them.

    Pixels of a thing class outside every object are a crowd: whose they are is not known.

    Args:
        labels: (H, W) uint8 class of each pixel, 255 = void.
        path: of the instance numbers.
        classes: by index.

    Raises:
        DataError: the file is missing, no grey PNG, or of another size than the labels; or an
            object has several classes, or one that is stuff.
    """
    numbers = _read(path)
    if numbers.shape != labels.shape:
        raise DataError(
            f"{path}: its size is {numbers.shape[1]}x{numbers.shape[0]}, that of its mask "
            f"{labels.shape[1]}x{labels.shape[0]}: write both at one size"
        )
    # One number per pair of object and class, objects before what is outside them.
    pairs = numbers.astype(np.int64) << 8 | labels
    pairs[numbers == 0] += 1 << 24
    pairs[labels == IGNORE] = -1
    values, places = np.unique(pairs, return_inverse=True)
    first = int(values[0] == -1)
    label, number = values[first:] & 0xFF, (values[first:] >> 8) & 0xFFFF
    things = np.array([info.thing for info in classes], bool)
    _check(path, number, label, things[label])
    segment_map = places.reshape(labels.shape) + (1 - first)
    return Segments(
        map=segment_map.astype(np.uint16),
        label=label.astype(np.uint8),
        crowd=(number == 0) & things[label],
    )


def _check(
    path: Path, number: NDArray[np.int64], label: NDArray[np.int64], thing: NDArray[np.bool_]
) -> None:
    objects = number[number > 0]
    if (twice := objects[1:][objects[1:] == objects[:-1]]).size:
        raise DataError(
            f"{path}: instance {int(twice[0])} covers several classes of its mask: give each "
            "object a number of its own"
        )
    if (stuff := (number > 0) & ~thing).any():
        raise DataError(
            f"{path}: instance {int(number[stuff][0])} has class {int(label[stuff][0])}, which is "
            'no thing: mark it "thing": true in classes.json, or set its pixels to 0'
        )


def _read(path: Path) -> NDArray[np.uint16]:
    try:
        data = path.read_bytes()
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror}") from error
    numbers = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED) if data else None
    if numbers is None or numbers.ndim != 2 or numbers.dtype not in (np.uint8, np.uint16):
        raise DataError(
            f"{path}: not a PNG file of one channel with 8 or 16 bits: write the numbers of the "
            "objects as they are"
        )
    return np.asarray(numbers, dtype=np.uint16)
