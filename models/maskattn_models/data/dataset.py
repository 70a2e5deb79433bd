"""A data set on disk: samples by split, classes, and what the numbers in its masks mean."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from maskattn_edge.contract.classes import IGNORE, ClassInfo
from maskattn_edge.contract.errors import ContractError, DataError, UsageError

INVALID = 254
"""Entry of a label table for values that a mask must not hold.

With 255 classes 254 is itself a class; then every value has a meaning and none is invalid.
"""


@dataclass(frozen=True)
class Sample:
    """The files of one labelled image."""

    image: Path
    mask: Path


@dataclass(frozen=True, kw_only=True, eq=False)
class DataSet:
    """A data set that was found complete; pictures are read later, one by one.

    Args:
        name: for reports, e.g. "camvid".
        root: folder that it lies in.
        classes: by index.
        splits: samples of "train", "val", "test", as far as there are any, each in a fixed order.
        label_table: (256,) uint8, value in a mask -> class index, 255 = ignored, or `INVALID`.

    Raises:
        ContractError: the label table is not (256,) uint8, or names a class that does not exist.
    """

    name: str
    root: Path
    classes: tuple[ClassInfo, ...]
    splits: Mapping[str, tuple[Sample, ...]]
    label_table: NDArray[np.uint8]

    def __post_init__(self) -> None:
        table = self.label_table
        if table.shape != (256,) or table.dtype != np.uint8:
            raise ContractError(
                f"a label table is (256,) uint8, got shape {table.shape} of {table.dtype}"
            )
        unknown = (table >= len(self.classes)) & (table != IGNORE) & (table != INVALID)
        if unknown.any():
            raise ContractError(
                f"the label table maps {int(np.argmax(unknown))} to class "
                f"{int(table[unknown][0])}, but there are {len(self.classes)} classes"
            )

    def split(self, name: str) -> tuple[Sample, ...]:
        """The samples of a split.

        Raises:
            UsageError: the data set has no such split; the message lists those it has.
        """
        if name not in self.splits:
            raise UsageError(
                f"{self.root} has no split {name!r}; available: {', '.join(self.splits)}"
            )
        return self.splits[name]


def label_table(classes: int, ignored: tuple[int, ...] = (IGNORE,)) -> NDArray[np.uint8]:
    """Label table of masks whose values are class indices, (256,) uint8.

    >>> label_table(2, ignored=(9,))[[0, 1, 2, 9]]
    array([  0,   1, 254, 255], dtype=uint8)
    """
    table = np.full(256, INVALID, np.uint8)
    table[:classes] = np.arange(classes, dtype=np.uint8)
    table[list(ignored)] = IGNORE
    return table


def content_hash(dataset: DataSet, split: str) -> str:
    """SHA-256 of a split, in hex: names, sizes and contents of its files, in the split's order.

    Files are named relative to the data set's root, so that a copy elsewhere has the same hash.

    Raises:
        UsageError: the data set has no such split.
        DataError: a file cannot be read.
    """
    digest = hashlib.sha256()
    for sample in dataset.split(split):
        for path in (sample.image, sample.mask):
            name = path.relative_to(dataset.root).as_posix().encode()
            try:
                digest.update(b"%d %s %d\n" % (len(name), name, path.stat().st_size))
                with path.open("rb") as file:
                    while block := file.read(1 << 20):
                        digest.update(block)
            except OSError as error:
                raise DataError(f"{path}: cannot be read: {error.strerror}") from error
    return digest.hexdigest()
