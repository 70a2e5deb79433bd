"""A split in memory, decoded once at the size that training or validation works at."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from maskattn_edge.contract.classes import IGNORE
from maskattn_edge.contract.errors import DataError
from maskattn_edge.preprocess import Resize, fit, fit_labels
from maskattn_edge.segment_grid import fit_segments
from maskattn_edge.segments import Segments
from maskattn_models.data.dataset import DataSet, Sample
from maskattn_models.data.grids import GridStore, join_segments
from maskattn_models.data.memory import available_bytes
from maskattn_models.data.pictures import load_sample, truth_of

Progress = Callable[[int, int], None]
"""Told (done, total) after each image, in the thread that called."""


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
    return GridStore(
        images=images, labels=labels, segments=join_segments(found) if segments else None
    )


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


def _check_memory(what: str, needed: int) -> None:
    available = available_bytes()
    if needed > 0.9 * available:  # decoding itself takes some
        raise DataError(
            f"{what} needs {needed / 2**30:.2f} GiB of memory, {available / 2**30:.2f} GiB are "
            "free: choose a smaller size or fewer images, or close other programs"
        )
