"""Reader of ADE20K scene parsing: 150 semantic classes, 100 of them with instances.

Panoptic truth follows Mask2Former: stuff from the semantic masks first, objects over it; pixels
of a thing class that belong to no object are void.

Source: Zhou et al., Scene Parsing through ADE20K, CVPR 2017 (sceneparsing.csail.mit.edu); Cheng et
al., Masked-attention Mask Transformer, CVPR 2022, arxiv.org/abs/2112.01527.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from maskattn_edge.contract.classes import IGNORE, ClassInfo
from maskattn_edge.contract.errors import DataError
from maskattn_edge.segments import Segments
from maskattn_models.data.class_tables import ade20k_table
from maskattn_models.data.dataset import (
    EVERY_TASK,
    INVALID,
    SEMANTIC,
    DataSet,
    Sample,
    Truth,
)
from maskattn_models.data.files import check_present, pair
from maskattn_models.data.masks import MaskTruth, mask_of, naming, read_colors
from maskattn_models.data.numbering import Meaning, number_segments, present

LAYOUT = "{images,annotations,annotations_instance}/{training,validation}/ADE_* (ADE20K)"

_SPLITS = {"train": "training", "val": "validation"}
_FOLDER = "ADEChallengeData2016"
_STUFF = 1 << 16


def recognises_ade20k(root: Path) -> bool:
    """Whether `root`, or `ADEChallengeData2016` in it, has the folders."""
    base = _base(root)
    return any((base / "annotations" / folder).is_dir() for folder in _SPLITS.values())


def open_ade20k(root: Path, annotations: str = "") -> DataSet:
    """Open ADE20K; instances too if they are there for all pictures.

    Raises:
        DataError: a folder or file is missing or alone.
    """
    base = _base(root)
    with_instances = (base / "annotations_instance").is_dir()
    splits = {
        name: _samples(base, folder, with_instances)
        for name, folder in _SPLITS.items()
        if (base / "images" / folder).is_dir() or (base / "annotations" / folder).is_dir()
    }
    classes = ade20k_table().classes
    return DataSet(
        name="ade20k",
        root=root,
        classes=classes,
        splits={name: samples for name, samples in splits.items() if samples},
        label_table=_labels(),
        tasks=EVERY_TASK if with_instances else SEMANTIC,
        truth=ade20k_truth(root, annotations, classes),
    )


def ade20k_truth(root: Path, annotations: str, classes: tuple[ClassInfo, ...]) -> Truth:
    """How ADE20K's files are read."""
    return _Ade20kTruth(MaskTruth(name="ade20k", classes=classes, label_table=_labels()))


class _Ade20kTruth:
    def __init__(self, masks: MaskTruth) -> None:
        self._masks = masks
        table = ade20k_table()
        self._class_of = {number: index for index, number in enumerate(table.instance_ids)}
        self._things = np.array([info.thing for info in table.classes] + [False] * 256)[:256]

    def labels(self, sample: Sample) -> NDArray[np.uint8]:
        """See `Truth`."""
        return self._masks.labels(sample)

    def segments(self, sample: Sample) -> Segments:
        """See `Truth`."""
        if sample.instances is None:
            return self._masks.segments(sample)
        labels, picture = self.labels(sample), read_colors(sample.instances)
        if picture.shape[:2] != labels.shape:
            raise DataError(
                f"{sample.instances}: its size differs from that of {mask_of(sample)}: download "
                "both again"
            )
        category, number = picture[..., 0].astype(np.int32), picture[..., 1].astype(np.int32)
        objects = np.where(number > 0, (category << 8) | number, 0)
        stuff = labels.astype(np.int32) + _STUFF
        ids = np.where((labels == IGNORE) | self._things[labels], 0, stuff)
        ids = np.where(objects > 0, objects, ids)
        with naming(sample.instances):
            return number_segments(ids, self._known(ids))

    def _known(self, ids: NDArray[np.int32]) -> dict[int, Meaning]:
        known: dict[int, Meaning] = {}
        owner: dict[int, int] = {}
        for value in present(ids):
            if value >= _STUFF:
                known[value] = Meaning(value - _STUFF)
            elif value:
                category, number = value >> 8, value & 0xFF
                if owner.setdefault(number, category) != category:
                    raise DataError(
                        f"instance {number} has the categories {owner[number]} and {category}; "
                        "numbers are unique in a picture: download it again"
                    )
                if category not in self._class_of or category == 0:
                    raise DataError(
                        f"holds the category {category}; there are 1 to 100: download it again"
                    )
                known[value] = Meaning(self._class_of[category])
        return known


def _samples(base: Path, folder: str, with_instances: bool) -> tuple[Sample, ...]:
    samples = pair(base / "images" / folder, base / "annotations" / folder)
    if not with_instances:
        return samples
    instances = base / "annotations_instance" / folder
    joined = tuple(
        Sample(sample.image, sample.mask, instances / f"{sample.image.stem}.png")
        for sample in samples
    )
    check_present(
        "instance mask", [path for sample in joined for path in sample.files[2:]], base / "images"
    )
    return joined


def _labels() -> NDArray[np.uint8]:
    """0 = other, which is ignored; 1..150 = class."""
    table = np.full(256, INVALID, np.uint8)
    table[0] = IGNORE
    for index, number in enumerate(ade20k_table().ids):
        table[number] = index
    return table


def _base(root: Path) -> Path:
    return root / _FOLDER if (root / _FOLDER).is_dir() else root
