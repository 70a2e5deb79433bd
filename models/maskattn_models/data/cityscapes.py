"""Reader of Cityscapes, fine annotations: 19 classes by train id, 8 of them with instances.

The test split's labels are not published; it is not listed.

Source: Cordts et al., The Cityscapes Dataset, CVPR 2016; github.com/mcordts/cityscapesScripts.
"""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from maskattn_edge.contract.classes import IGNORE, ClassInfo
from maskattn_edge.contract.errors import DataError
from maskattn_edge.segments import Segments
from maskattn_models.data.class_tables import cityscapes_table
from maskattn_models.data.dataset import EVERY_TASK, INVALID, DataSet, Sample, Truth
from maskattn_models.data.files import check_present, list_folder
from maskattn_models.data.masks import MaskTruth, mask_of, naming, read_ids
from maskattn_models.data.numbering import Meaning, number_segments, present

LAYOUT = "leftImg8bit/SPLIT/CITY/*_leftImg8bit.png with gtFine/SPLIT/CITY/*_gtFine_*.png"

_IMAGE = re.compile(r"(.+_\d{6}_\d{6})_leftImg8bit\.png")
_LAST_ID = 33
_INSTANCES = 1000


def recognises_cityscapes(root: Path) -> bool:
    """Whether `root` has both folders."""
    return (root / "leftImg8bit").is_dir() and (root / "gtFine").is_dir()


def open_cityscapes(root: Path, annotations: str = "") -> DataSet:
    """Open Cityscapes, fine annotations, the splits train and val.

    Raises:
        DataError: a label file is missing, or there is no image.
    """
    splits = {
        name: _samples(root, name) for name in ("train", "val") if (root / "gtFine" / name).is_dir()
    }
    splits = {name: samples for name, samples in splits.items() if samples}
    if not splits:
        raise DataError(f"{root}: no images for training or validation; expected {LAYOUT}")
    classes = cityscapes_table().classes
    return DataSet(
        name="cityscapes",
        root=root,
        classes=classes,
        splits=splits,
        label_table=_labels(),
        tasks=EVERY_TASK,
        truth=cityscapes_truth(root, annotations, classes),
    )


def cityscapes_truth(root: Path, annotations: str, classes: tuple[ClassInfo, ...]) -> Truth:
    """How Cityscapes' files are read."""
    return _CityscapesTruth(MaskTruth(name="cityscapes", classes=classes, label_table=_labels()))


class _CityscapesTruth:
    """Labels from `labelIds`; segments from `instanceIds`, numbered as createPanopticImgs does."""

    def __init__(self, masks: MaskTruth) -> None:
        self._masks = masks
        self._table = cityscapes_table()
        self._index = self._table.index_of()

    def labels(self, sample: Sample) -> NDArray[np.uint8]:
        """See `Truth`; the pixels of a crowd have their class."""
        return self._masks.labels(sample)

    def segments(self, sample: Sample) -> Segments:
        """See `Truth`."""
        assert sample.instances is not None
        ids = read_ids(sample.instances)
        with naming(sample.instances):
            meanings = ((value, self._meaning(value)) for value in present(ids))
            known = {value: meaning for value, meaning in meanings if meaning is not None}
            return number_segments(ids, known)

    def _meaning(self, value: int) -> Meaning | None:
        """What a value of `instanceIds` stands for; None for what is not scored."""
        label = value if value < _INSTANCES else value // _INSTANCES
        if label > _LAST_ID:
            raise DataError(
                f"holds the value {value}; label ids end at {_LAST_ID}, instances are "
                f"id * {_INSTANCES} + k: download it again"
            )
        if label not in self._index:
            return None
        index = self._index[label]
        thing = self._table.classes[index].thing
        return Meaning(index, crowd=thing and value < _INSTANCES)


def _samples(root: Path, split: str) -> tuple[Sample, ...]:
    samples = []
    for city in list_folder(root / "leftImg8bit" / split):
        truth = root / "gtFine" / split / city.name
        for image in list_folder(city):
            if match := _IMAGE.fullmatch(image.name):
                stem = f"{match[1]}_gtFine"
                samples.append(
                    Sample(image, truth / f"{stem}_labelIds.png", truth / f"{stem}_instanceIds.png")
                )
    named_by = root / "leftImg8bit"
    check_present("label file", [mask_of(sample) for sample in samples], named_by)
    check_present("instance file", [path for s in samples for path in s.files[2:]], named_by)
    return tuple(samples)


def _labels() -> NDArray[np.uint8]:
    """Label id -> train id; 255 for all other ids, and for -1 (license plate), stored as 255."""
    table = np.full(256, INVALID, np.uint8)
    table[: _LAST_ID + 1] = IGNORE
    table[IGNORE] = IGNORE
    for index, number in enumerate(cityscapes_table().ids):
        table[number] = index
    return table
