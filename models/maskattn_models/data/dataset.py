"""A data set on disk: samples by split, classes, and where the truth comes from."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from maskattn_edge.contract.classes import IGNORE, ClassInfo
from maskattn_edge.contract.errors import ContractError, DataError, UsageError
from maskattn_edge.contract.spec import TASKS, Task
from maskattn_edge.preprocess import Resize
from maskattn_edge.segments import Segments

if TYPE_CHECKING:
    from maskattn_models.data.grids import GridStore

INVALID = 254
"""Entry of a label table for values that a mask must not hold.

With 255 classes 254 is itself a class; then every value has a meaning and none is invalid.
"""

SEMANTIC: frozenset[Task] = frozenset({"semantic"})
EVERY_TASK: frozenset[Task] = frozenset(TASKS)


@dataclass(frozen=True)
class Sample:
    """The files of one labelled image.

    Args:
        image: the picture.
        mask: its own file of labels or segments; None where one file holds the truth of a split.
        instances: its own file of instance numbers, where there is one beside the mask.
    """

    image: Path
    mask: Path | None = None
    instances: Path | None = None

    @property
    def files(self) -> tuple[Path, ...]:
        """Those that there are, the image first."""
        return tuple(path for path in (self.image, self.mask, self.instances) if path is not None)


class Truth(Protocol):
    """How a sample's files become truth; arrays have the size of the stored truth."""

    def labels(self, sample: Sample) -> NDArray[np.uint8]:
        """Class of each pixel, (H, W) uint8; void, and what training ignores, is 255.

        Raises:
            DataError: a file cannot be used; the message names it.
        """

    def segments(self, sample: Sample) -> Segments:
        """The segments, crowds included.

        Raises:
            DataError: as `labels`.
        """


class Prepared(Protocol):
    """Splits that were decoded before, and lie on disk as arrays."""

    def __call__(self, split: str, height: int, width: int, resize: Resize) -> GridStore | None:
        """The split on that grid, mapped from disk; None if it was prepared otherwise."""


@dataclass(frozen=True, kw_only=True)
class OfficialTruth:
    """The annotation file of a split that official evaluators read, and how it numbers things.

    `Segments` give each pixel to one segment. COCO's instance masks overlap, so its AP must be
    taken from the masks in this file; the panoptic file says the same as `Segments`.

    Args:
        kind: `instances` (COCO detection format) or `panoptic` (COCO panoptic format).
        annotations: the JSON file.
        pictures: folder of the panoptic PNG files; None for `instances`.
        category_ids: category id in the file of each class, by class index. Classes that the file
            does not annotate, such as stuff in an `instances` file, have theirs too.
        image_ids: image id in the file of each sample, in the split's order.

    Raises:
        ContractError: the kind is unknown, or panoptic truth lacks its pictures.
    """

    kind: Literal["instances", "panoptic"]
    annotations: Path
    category_ids: tuple[int, ...]
    image_ids: Sequence[int | str]
    pictures: Path | None = None

    def __post_init__(self) -> None:
        if self.kind not in ("instances", "panoptic"):
            raise ContractError(f"official truth is 'instances' or 'panoptic', got {self.kind!r}")
        if (self.kind == "panoptic") != (self.pictures is not None):
            raise ContractError("panoptic truth, and no other, names the folder of its pictures")


@dataclass(frozen=True, kw_only=True, eq=False)
class DataSet:
    """A data set that was found complete; pictures are read later, one by one.

    Args:
        name: for reports, e.g. "camvid".
        root: folder that it lies in.
        classes: by index.
        splits: samples of "train", "val", "test", as far as there are any, each in a fixed order.
        label_table: (256,) uint8, value in a mask -> class index, 255 = ignored, or `INVALID`;
            masks hold class indices if it is not given.
        tasks: what its truth is enough for.
        truth: how its files are read; if not given, masks through `label_table`.
        official: by split, the annotation files that official evaluators need.
        annotations: by split, files that hold truth of many samples.
        hashes: by split, a content hash that was computed when the set was prepared.
        prepared: splits that need no decoding, where the set has been prepared.

    Raises:
        ContractError: the label table is not (256,) uint8, or names a class that does not exist;
            there is no task.
    """

    name: str
    root: Path
    classes: tuple[ClassInfo, ...]
    splits: Mapping[str, Sequence[Sample]]
    label_table: NDArray[np.uint8] = field(default=None)  # type: ignore[arg-type]
    tasks: frozenset[Task] = SEMANTIC
    truth: Truth | None = None
    official: Mapping[str, tuple[OfficialTruth, ...]] = field(default_factory=dict)
    annotations: Mapping[str, tuple[Path, ...]] = field(default_factory=dict)
    hashes: Mapping[str, str] = field(default_factory=dict)
    prepared: Prepared | None = None

    def __post_init__(self) -> None:
        if self.label_table is None:
            object.__setattr__(self, "label_table", label_table(len(self.classes)))
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
        if not self.tasks or not self.tasks <= EVERY_TASK:
            raise ContractError(f"tasks are some of {', '.join(TASKS)}, got {sorted(self.tasks)}")

    def split(self, name: str) -> Sequence[Sample]:
        """The samples of a split.

        Raises:
            UsageError: the data set has no such split; the message lists those it has.
        """
        if name not in self.splits:
            raise UsageError(
                f"{self.root} has no split {name!r}; available: {', '.join(self.splits)}"
            )
        return self.splits[name]

    def official_truth(
        self, split: str, kind: Literal["instances", "panoptic"]
    ) -> OfficialTruth | None:
        """The official annotations of a split; None where `Segments` hold all that there is."""
        found = self.official.get(split, ())
        return next((truth for truth in found if truth.kind == kind), None)


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
    A prepared set has the hash of its arrays, taken when they were written.

    Raises:
        UsageError: the data set has no such split.
        DataError: a file cannot be read.
    """
    samples = dataset.split(split)
    if split in dataset.hashes:
        return dataset.hashes[split]
    digest = hashlib.sha256()
    for sample in samples:
        for path in sample.files:
            _add_file(digest, path, dataset.root)
    for path in dataset.annotations.get(split, ()):
        _add_file(digest, path, dataset.root)
    return digest.hexdigest()


def _add_file(digest: hashlib._Hash, path: Path, root: Path) -> None:
    name = path.relative_to(root).as_posix().encode()
    try:
        digest.update(b"%d %s %d\n" % (len(name), name, path.stat().st_size))
        with path.open("rb") as file:
            while block := file.read(1 << 20):
                digest.update(block)
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror}") from error
