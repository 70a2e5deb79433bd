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
from maskattn_models.data.dataset import DataSet
from maskattn_models.data.memory import available_bytes
from maskattn_models.data.pictures import load_sample

Progress = Callable[[int, int], None]
"""Told (done, total) after each image, in the thread that called."""


@dataclass(frozen=True, kw_only=True, eq=False)
class GridStore:
    """Images (N, h, w, 3) uint8 RGB and labels (N, h, w) uint8, 255 = ignored, of a split.

    Raises:
        ContractError: an array has another dtype, or their shapes do not fit.
    """

    images: NDArray[np.uint8]
    labels: NDArray[np.uint8]

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

    def __len__(self) -> int:
        return len(self.images)


def decode_split(
    dataset: DataSet,
    split: str,
    *,
    height: int,
    width: int,
    resize: Resize,
    progress: Progress | None = None,
) -> GridStore:
    """Read a split into memory as `preprocess.fit` and `fit_labels` bring it to a grid.

    Bars of a letterbox are labelled 255. Files are decoded on all cores.

    Raises:
        UsageError: the data set has no such split.
        DataError: it does not fit into the memory that is left, or a file cannot be used.
    """
    samples = dataset.split(split)
    _check_memory(f"{dataset.name} {split}", len(samples) * height * width * 4)
    images = np.empty((len(samples), height, width, 3), np.uint8)
    labels = np.empty((len(samples), height, width), np.uint8)

    def decode(index: int) -> None:
        image, truth = load_sample(samples[index], dataset)
        images[index] = fit(image, height=height, width=width, resize=resize)[0]
        labels[index] = fit_labels(truth, height=height, width=width, resize=resize, outside=IGNORE)

    with ThreadPoolExecutor() as pool:
        for done, _ in enumerate(pool.map(decode, range(len(samples))), start=1):
            if progress is not None:
                progress(done, len(samples))
    return GridStore(images=images, labels=labels)


def _check_memory(what: str, needed: int) -> None:
    available = available_bytes()
    if needed > 0.9 * available:  # decoding itself takes some
        raise DataError(
            f"{what} needs {needed / 2**30:.2f} GiB of memory, {available / 2**30:.2f} GiB are "
            "free: choose a smaller size or fewer images, or close other programs"
        )
