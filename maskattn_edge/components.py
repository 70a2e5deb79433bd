"""Objects out of plain labels: the baseline that panoptic networks are compared with."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from maskattn_edge.contract.classes import IGNORE, ClassInfo
from maskattn_edge.contract.errors import ContractError
from maskattn_edge.segments import Segments

MIN_AREA = 64
"""Default of `component_segments`, in pixels: on a 128x128 grid, a square of a sixteenth its side.

Specks that labels are full of would each be a false object; what is best depends on the data.
"""

_MOST = np.iinfo(np.uint16).max


def component_segments(
    labels: NDArray[np.uint8], classes: Sequence[ClassInfo], *, min_area: int = MIN_AREA
) -> Segments:
    """Take each connected region of a thing class for one object.

    Pixels that touch at a side or a corner are connected. A class that is stuff is one segment.
    Segments of fewer than `min_area` pixels become void. The score of an object is its share of
    the picture: larger regions are surer to be an object, and a ranking needs no more; stuff
    scores 1.

    Args:
        labels: (H, W) uint8 class of each pixel, 255 where there is none.
        classes: by index; which of them are things.
        min_area: 1 or more.

    Returns:
        Segments by class, and within a class from top to bottom.

    Raises:
        ContractError: `labels` is not (H, W) uint8, holds a class that is not in `classes`, or has
            more than 65,535 regions; or `min_area` is below 1.
    """
    if labels.ndim != 2 or labels.dtype != np.uint8:
        raise ContractError(f"labels are (H, W) uint8, got shape {labels.shape} of {labels.dtype}")
    if min_area < 1:
        raise ContractError(f"the smallest area of a segment is 1 pixel or more, got {min_area}")
    segment_map = np.zeros(labels.shape, np.uint16)
    label: list[int] = []
    score: list[float] = []
    for value, mask in _masks(labels, len(classes)):
        thing = classes[value].thing
        regions = _regions(mask) if thing else mask.astype(np.int32)
        areas = np.bincount(regions.ravel())
        kept = np.flatnonzero(areas[1:] >= min_area) + 1
        if len(label) + len(kept) > _MOST:
            raise ContractError(
                f"the labels fall into more than {_MOST:,} regions: choose a larger smallest area"
            )
        number = np.zeros(len(areas), np.uint16)
        number[kept] = len(label) + 1 + np.arange(len(kept))
        segment_map += number[regions]
        label += [value] * len(kept)
        score += (areas[kept] / labels.size).tolist() if thing else [1.0] * len(kept)
    return Segments(
        map=segment_map,
        label=np.array(label, np.uint8),
        score=np.array(score, np.float32),
    )


def _masks(labels: NDArray[np.uint8], classes: int) -> Iterator[tuple[int, NDArray[np.uint8]]]:
    """The classes that occur, and where."""
    for value in np.flatnonzero(np.bincount(labels.ravel(), minlength=256)).tolist():
        if value == IGNORE:
            continue
        if value >= classes:
            raise ContractError(
                f"labels hold the value {value}, the classes are 0 to {classes - 1}"
            )
        yield value, (labels == value).astype(np.uint8)


def _regions(mask: NDArray[np.uint8]) -> NDArray[np.int32]:
    """The number of each pixel's region, from 1; 0 outside the mask."""
    return np.asarray(cv2.connectedComponents(mask, connectivity=8)[1], dtype=np.int32)
