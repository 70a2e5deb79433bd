"""Truth in index masks: the class of each pixel, with or without instance numbers beside it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from maskattn_edge.contract.classes import IGNORE, ClassInfo
from maskattn_edge.contract.errors import DataError
from maskattn_edge.segments import Segments
from maskattn_models.data.dataset import INVALID, Sample
from maskattn_models.data.files import read_file
from maskattn_models.data.numbering import Meaning, number_segments, present, segments_of_labels
from maskattn_models.data.png import read_color_png, read_id_png, read_index_png

_REST = 1 << 16  # above every instance number


def read_mask(path: Path) -> NDArray[np.uint8]:
    """The numbers in a mask file, (H, W) uint8, as stored.

    Raises:
        DataError: the file is missing, damaged, in colours, or of 16 bits.
    """
    with naming(path):
        return read_index_png(read_file(path))


def read_ids(path: Path) -> NDArray[np.uint16]:
    """The numbers in a grey PNG file of 8 or 16 bits, (H, W) uint16, as stored.

    Raises:
        DataError: the file is missing, damaged, or in colours.
    """
    with naming(path):
        return read_id_png(read_file(path))


def read_colors(path: Path) -> NDArray[np.uint8]:
    """The samples of an RGB PNG file of 8 bits, (H, W, 3) uint8 RGB, as stored.

    Raises:
        DataError: the file is missing, damaged, or not RGB.
    """
    with naming(path):
        return read_color_png(read_file(path))


def mask_of(sample: Sample) -> Path:
    """The mask of a sample that must have one."""
    assert sample.mask is not None
    return sample.mask


@dataclass(frozen=True, kw_only=True, eq=False)
class MaskTruth:
    """Masks through a label table; instance masks, where samples have them, 0 = none, 1..K.

    An instance's class is that of its pixels in the mask. Pixels of a thing class outside every
    instance are a crowd: which objects they belong to is not known.
    """

    name: str
    classes: tuple[ClassInfo, ...]
    label_table: NDArray[np.uint8]

    def labels(self, sample: Sample) -> NDArray[np.uint8]:
        """See `Truth`."""
        path = mask_of(sample)
        mask = read_mask(path)
        labels: NDArray[np.uint8] = self.label_table[mask]
        count = len(self.classes)
        if count <= INVALID and (invalid := labels == INVALID).any():
            raise DataError(
                f"{path}: the mask holds the value {int(mask[invalid][0])}, but {self.name} "
                f"has {count} classes, numbered from 0: correct the mask, set such pixels to 255 "
                "(ignored), or name all classes in classes.json"
            )
        return labels

    def segments(self, sample: Sample) -> Segments:
        """See `Truth`."""
        labels = self.labels(sample)
        if sample.instances is None:
            return segments_of_labels(labels)
        instances = read_ids(sample.instances)
        if instances.shape != labels.shape:
            raise DataError(
                f"{sample.instances}: its size is {instances.shape[1]}x{instances.shape[0]}, that "
                f"of its mask {labels.shape[1]}x{labels.shape[0]}: write both at the same size"
            )
        return self._joined(labels, instances, sample.instances)

    def _joined(
        self, labels: NDArray[np.uint8], instances: NDArray[np.uint16], path: Path
    ) -> Segments:
        known = self._objects(labels, instances, path)
        rest = labels.astype(np.int32) + _REST
        ids = np.where(instances > 0, instances, rest)
        ids[labels == IGNORE] = 0
        for value in present(ids):
            if value >= _REST:
                label = value - _REST
                known[value] = Meaning(label, crowd=self.classes[label].thing)
        return number_segments(ids, known)

    def _objects(
        self, labels: NDArray[np.uint8], instances: NDArray[np.uint16], path: Path
    ) -> dict[int, Meaning]:
        """The one class of each instance, a thing."""
        pairs = np.where(labels == IGNORE, 0, (instances.astype(np.int32) << 8) | labels)
        known: dict[int, Meaning] = {}
        for pair in present(pairs):
            number, label = pair >> 8, pair & 0xFF
            if number in known:
                former = self.classes[known[number].label].name
                raise DataError(
                    f"{path}: instance {number} covers the classes {former!r} and "
                    f"{self.classes[label].name!r} of its mask: give each object its own number"
                )
            if number:
                known[number] = Meaning(label)
        for number, meaning in known.items():
            if not self.classes[meaning.label].thing:
                raise DataError(
                    f"{path}: instance {number} has the class "
                    f"{self.classes[meaning.label].name!r}, which is no thing: mark it "
                    '"thing": true in classes.json, or set its pixels to 0'
                )
        return known


@contextmanager
def naming(path: Path) -> Iterator[None]:
    """Put the file's name before the message of a `DataError` that lacks it."""
    try:
        yield
    except DataError as error:
        if str(error).startswith(str(path)):
            raise
        raise DataError(f"{path}: {error}") from error
