"""Reader of `class/` and `instance/` masks beside the images, named by `index.json`.

Masks are PNG files: in `class/` 0 = unlabelled, else the number of a category; in `instance/`
0 = none, 1..N = an object. `index.json` lists the categories, `train.txt`, `val.txt` and
`test.txt` the stems of each split. Small extracts of COCO come in this form.
"""

from __future__ import annotations

from pathlib import Path

import msgspec
import numpy as np
from numpy.typing import NDArray

from maskattn_edge.contract.classes import IGNORE, MAX_CLASSES, ClassInfo, default_color
from maskattn_edge.contract.errors import DataError
from maskattn_models.data.dataset import DataSet, Sample, Truth, label_table
from maskattn_models.data.files import check_present, read_file
from maskattn_models.data.masks import MaskTruth

LAYOUT = "images/STEM.jpg, class/STEM.png, instance/STEM.png, index.json and SPLIT.txt"

_SPLITS = ("train", "val", "test")


class _Category(msgspec.Struct, frozen=True):
    number: int = msgspec.field(name="class")
    name: str = ""


class _Index(msgspec.Struct, frozen=True):
    categories: list[_Category]


def recognises_class_instance(root: Path) -> bool:
    """Whether `root` has both folders of masks and the list of categories."""
    folders = all((root / name).is_dir() for name in ("images", "class", "instance"))
    return folders and (root / "index.json").is_file()


def open_class_instance(root: Path, annotations: str = "") -> DataSet:
    """Open such a folder; category k is class k - 1, and all classes are things.

    Raises:
        DataError: a list cannot be read, or names a file that is not there; the categories are
            not numbered 1, 2, 3, ...
    """
    splits = {}
    for name in _SPLITS:
        if (listed := root / f"{name}.txt").is_file():
            samples = tuple(_sample(root, stem) for stem in _stems(listed))
            for kind, index in (("image", 0), ("class mask", 1), ("instance mask", 2)):
                check_present(kind, [sample.files[index] for sample in samples], listed)
            if samples:
                splits[name] = samples
    if not splits:
        raise DataError(f"{root}: no {' or '.join(_SPLITS)}.txt names an image; expected {LAYOUT}")
    classes = _classes(root / "index.json")
    return DataSet(
        name=root.resolve().name,
        root=root,
        classes=classes,
        splits=splits,
        label_table=_labels(len(classes)),
        tasks=frozenset({"instance"}),
    )


def class_instance_truth(root: Path, annotations: str, classes: tuple[ClassInfo, ...]) -> Truth:
    """How the masks are read."""
    return MaskTruth(name=root.resolve().name, classes=classes, label_table=_labels(len(classes)))


def _sample(root: Path, stem: str) -> Sample:
    return Sample(
        root / "images" / f"{stem}.jpg",
        root / "class" / f"{stem}.png",
        root / "instance" / f"{stem}.png",
    )


def _stems(listed: Path) -> list[str]:
    try:
        return read_file(listed).decode("utf-8").split()
    except UnicodeDecodeError as error:
        raise DataError(f"{listed}: cannot be read as a list of file names: {error}") from error


def _classes(path: Path) -> tuple[ClassInfo, ...]:
    try:
        categories = msgspec.json.decode(read_file(path), type=_Index).categories
    except msgspec.MsgspecError as error:
        raise DataError(f"{path}: not a list of categories: {error}") from error
    numbers = [category.number for category in categories]
    if numbers != list(range(1, len(numbers) + 1)) or not 1 <= len(numbers) < MAX_CLASSES:
        raise DataError(
            f"{path}: its categories are numbered {numbers[:3]}...; write 1, 2, 3, ... in order, "
            f"at most {MAX_CLASSES - 1}"
        )
    return tuple(
        ClassInfo(category.name or str(category.number), default_color(index), thing=True)
        for index, category in enumerate(categories)
    )


def _labels(classes: int) -> NDArray[np.uint8]:
    """Value k is class k - 1; 0 and 255 are ignored."""
    table = np.roll(label_table(classes, ignored=()), 1)
    table[[0, IGNORE]] = IGNORE
    return table
