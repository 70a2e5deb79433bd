"""A split in memory, decoded once at the size that training or validation works at."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from maskattn_edge.contract.classes import IGNORE
from maskattn_edge.contract.errors import ContractError, DataError
from maskattn_edge.preprocess import Resize, fit, fit_labels
from maskattn_edge.segment_grid import fit_segments
from maskattn_edge.segments import Segments
from maskattn_models.data.dataset import DataSet, Sample
from maskattn_models.data.memory import available_bytes
from maskattn_models.data.pictures import load_sample, truth_of

Progress = Callable[[int, int], None]
"""Told (done, total) after each image, in the thread that called."""


@dataclass(frozen=True, kw_only=True, eq=False)
class SegmentStore:
    """The segments of N pictures.

    Args:
        maps: (N, h, w) uint16, 0 = void, else the number of a segment of that picture, from 1.
        offsets: (N + 1,) int64; rows `offsets[i]` to `offsets[i + 1]` of the tables are picture i.
        label: (T,) uint8, class of each segment.
        crowd: (T,) bool, whether it is a crowd.

    Raises:
        ContractError: an array has another shape or dtype.
    """

    maps: NDArray[np.uint16]
    offsets: NDArray[np.int64]
    label: NDArray[np.uint8]
    crowd: NDArray[np.bool_]

    def __post_init__(self) -> None:
        kinds = (self.maps, np.uint16), (self.offsets, np.int64), (self.label, np.uint8)
        for array, dtype in (*kinds, (self.crowd, np.bool_)):
            if array.dtype != dtype:
                raise ContractError(f"segments need {np.dtype(dtype)}, got {array.dtype}")
        if self.maps.ndim != 3 or self.offsets.shape != (len(self.maps) + 1,):
            raise ContractError(
                f"segment maps are (N, h, w) with N + 1 offsets, got {self.maps.shape} and "
                f"{self.offsets.shape}"
            )
        if not len(self.label) == len(self.crowd) == self.offsets[-1]:
            raise ContractError(
                f"segment tables have {len(self.label)} classes and {len(self.crowd)} crowds, the "
                f"offsets end at {self.offsets[-1]}"
            )

    def __getitem__(self, index: int) -> Segments:
        """The segments of one picture; small ones may have vanished from the map."""
        rows = slice(int(self.offsets[index]), int(self.offsets[index + 1]))
        return Segments(map=self.maps[index], label=self.label[rows], crowd=self.crowd[rows])

    def part(self, which: slice) -> SegmentStore:
        """The segments of some of the pictures."""
        return _joined([self[index] for index in range(len(self.maps))[which]])


@dataclass(frozen=True, kw_only=True, eq=False)
class GridStore:
    """Images (N, h, w, 3) uint8 RGB and labels (N, h, w) uint8, 255 = ignored, of a split.

    The arrays may be mapped from disk. `segments` are there where they were asked for.

    Raises:
        ContractError: an array has another dtype, or their shapes do not fit.
    """

    images: NDArray[np.uint8]
    labels: NDArray[np.uint8]
    segments: SegmentStore | None = None

    def __post_init__(self) -> None:
        if self.images.dtype != np.uint8 or self.labels.dtype != np.uint8:
            raise ContractError(
                f"images and labels are uint8, got {self.images.dtype} and {self.labels.dtype}"
            )
        if self.images.ndim != 4 or self.images.shape != (*self.labels.shape, 3):
            raise ContractError(
                f"images are (N, h, w, 3) with labels (N, h, w), got {self.images.shape} and "
                f"{self.labels.shape}"
            )
        if self.segments is not None and self.segments.maps.shape != self.labels.shape:
            raise ContractError(
                f"segment maps are of the labels' shape {self.labels.shape}, got "
                f"{self.segments.maps.shape}"
            )

    def __len__(self) -> int:
        return len(self.images)


def decode_split(
    dataset: DataSet,
    split: str,
    *,
    height: int,
    width: int,
    resize: Resize,
    segments: bool = False,
    progress: Progress | None = None,
) -> GridStore:
    """Read a split into memory as `preprocess.fit` and `fit_labels` bring it to a grid.

    Bars of a letterbox are labelled 255, and void. Files are decoded on all cores; a split that was
    prepared for this grid is mapped from disk instead.

    Args:
        dataset: where the split lies.
        split: its name.
        height: of the grid, in pixels.
        width: of the grid, in pixels.
        resize: how an image is brought to the grid.
        segments: whether segments are read too.
        progress: told (done, total) after each image.

    Raises:
        UsageError: the data set has no such split.
        DataError: it does not fit into the memory that is left, or a file cannot be used.
    """
    samples = dataset.split(split)
    if dataset.prepared is not None:
        store = dataset.prepared(split, height, width, resize)
        if store is not None and (store.segments is not None or not segments):
            if progress is not None:
                progress(len(store), len(store))
            return store
    pixel = 6 if segments else 4
    _check_memory(f"{dataset.name} {split}", len(samples) * height * width * pixel)
    images = np.empty((len(samples), height, width, 3), np.uint8)
    labels = np.empty((len(samples), height, width), np.uint8)
    found: list[Segments] = []
    cells = Grid(height=height, width=width, resize=resize, segments=segments)
    with ThreadPoolExecutor() as pool:
        fitted = pool.map(lambda sample: fit_sample(sample, dataset, cells), samples)
        for index, (image, truth, parts) in enumerate(fitted):
            images[index], labels[index] = image, truth
            found += [] if parts is None else [parts]
            if progress is not None:
                progress(index + 1, len(samples))
    return GridStore(images=images, labels=labels, segments=_joined(found) if segments else None)


@dataclass(frozen=True, kw_only=True)
class Grid:
    """The grid that samples are brought to, and whether their segments are."""

    height: int
    width: int
    resize: Resize
    segments: bool


def fit_sample(
    sample: Sample, dataset: DataSet, grid: Grid
) -> tuple[NDArray[np.uint8], NDArray[np.uint8], Segments | None]:
    """A sample on a grid: image (h, w, 3), labels (h, w) by largest area, segments if wanted.

    Raises:
        DataError: a file cannot be used.
    """
    height, width, resize = grid.height, grid.width, grid.resize
    image, truth = load_sample(sample, dataset)
    labels = fit_labels(truth, height=height, width=width, resize=resize, outside=IGNORE)
    parts = None
    if grid.segments:
        whole = truth_of(dataset).segments(sample)
        parts = fit_segments(whole, height=height, width=width, resize=resize)
    return fit(image, height=height, width=width, resize=resize)[0], labels, parts


def _joined(found: list[Segments]) -> SegmentStore:
    return SegmentStore(
        maps=np.stack([parts.map for parts in found]),
        offsets=np.cumsum([0, *(len(parts) for parts in found)], dtype=np.int64),
        label=np.concatenate([parts.label for parts in found]),
        crowd=np.concatenate([parts.crowd for parts in found]),
    )


def _check_memory(what: str, needed: int) -> None:
    available = available_bytes()
    if needed > 0.9 * available:  # decoding itself takes some
        raise DataError(
            f"{what} needs {needed / 2**30:.2f} GiB of memory, {available / 2**30:.2f} GiB are "
            "free: choose a smaller size or fewer images, or close other programs"
        )
