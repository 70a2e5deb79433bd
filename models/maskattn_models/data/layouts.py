"""The layouts that are read, and how one is told from another."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple, Protocol

from maskattn_edge.contract.classes import ClassInfo
from maskattn_edge.contract.errors import DataError, UsageError
from maskattn_models.data import (
    ade20k,
    camvid,
    cityscapes,
    class_instance,
    coco,
    coco_folder,
    folder,
)
from maskattn_models.data.dataset import DataSet, Truth
from maskattn_models.data.files import list_folder
from maskattn_models.data.pictures import load_sample
from maskattn_models.data.prepared import is_prepared, open_prepared


class OpenLayout(Protocol):
    """Opens a folder; `annotations` names one of several truths of one set, "" the best one."""

    def __call__(self, root: Path, annotations: str = "") -> DataSet:
        """The data set. Raises DataError if it is not complete."""


class ReadTruth(Protocol):
    """How the files of a layout are read, without listing them."""

    def __call__(self, root: Path, annotations: str, classes: tuple[ClassInfo, ...]) -> Truth:
        """The truth. Raises DataError if annotations are missing."""


class Reader(NamedTuple):
    """One layout: how it is recognised, opened and read, and described to people."""

    recognises: Callable[[Path], bool]
    open: OpenLayout
    truth: ReadTruth
    layout: str


READERS: dict[str, Reader] = {
    "coco": Reader(coco.recognises_coco, coco.open_coco, coco.coco_truth, coco.LAYOUT),
    "ade20k": Reader(
        ade20k.recognises_ade20k, ade20k.open_ade20k, ade20k.ade20k_truth, ade20k.LAYOUT
    ),
    "cityscapes": Reader(
        cityscapes.recognises_cityscapes,
        cityscapes.open_cityscapes,
        cityscapes.cityscapes_truth,
        cityscapes.LAYOUT,
    ),
    "camvid": Reader(
        camvid.recognises_camvid, camvid.open_camvid, camvid.camvid_truth, camvid.LAYOUT
    ),
    "coco-folder": Reader(
        coco_folder.recognises_coco_folder,
        coco_folder.open_coco_folder,
        coco_folder.coco_folder_truth,
        coco_folder.LAYOUT,
    ),
    "class-instance": Reader(
        class_instance.recognises_class_instance,
        class_instance.open_class_instance,
        class_instance.class_instance_truth,
        class_instance.LAYOUT,
    ),
    "folder": Reader(
        folder.recognises_folder, folder.open_folder, folder.folder_truth, folder.LAYOUT
    ),
}
"""In the order in which they are asked; the most particular comes first."""


def open_dataset(root: Path, annotations: str = "") -> DataSet:
    """Open a data set; its layout is recognised by what lies in the folder.

    A folder made by `data prepare` opens at once: its splits are arrays on disk. The official
    layouts of COCO, ADE20K, Cityscapes and CamVid are read as they are, see `READERS`.

    The plain layout is `images/` and `masks/` (8-bit single-channel PNG files of the same stems,
    value = class index, 255 = ignored), either with the sub-folders train, val, test in both or
    without, then split 80/10/10 by a hash of the names. `instances/` may hold PNG files of instance
    numbers beside the masks (0 = none). `classes.json` names the classes; without it they are
    numbered up to the largest value in the masks.

    The first image and truth of each split are read, so that what is wrong with all shows at once.

    Args:
        root: the folder.
        annotations: which truth, where a set has several: `panoptic`, `instances` or `stuff` of
            COCO; the first that is there if not given.

    Raises:
        UsageError: there are no such annotations.
        DataError: the folder is missing, empty or of no known layout; images without masks or
            masks without images; unreadable files. One line: what, where, what to do.
    """
    try:
        return _open(root, annotations)
    except PermissionError as error:
        raise DataError(f"{error.filename}: may not be read: change its permissions") from error


def _open(root: Path, annotations: str) -> DataSet:
    content = list_folder(root)
    if not content:
        raise DataError(f"{root}: the folder is empty; {_expected()}")
    if is_prepared(root):
        _check_annotations("a prepared set", annotations)
        return open_prepared(root, {name: reader.truth for name, reader in READERS.items()})
    reader = reader_of(root)
    if reader is None:
        names = ", ".join(path.name for path in content[:5])
        raise DataError(f"{root}: no known layout, it has {names}; {_expected()}")
    dataset = open_layout(reader, root, annotations)
    for samples in dataset.splits.values():
        load_sample(samples[0], dataset)
    return dataset


def open_layout(reader: str, root: Path, annotations: str = "") -> DataSet:
    """Open a folder of the layout `reader`, a name in `READERS`, without reading a picture.

    Raises:
        UsageError: `annotations` are chosen where there is no choice.
        DataError: as `open_dataset`.
    """
    if reader != "coco":
        _check_annotations(reader, annotations)
    return READERS[reader].open(root, annotations)


def _check_annotations(what: str, annotations: str) -> None:
    if annotations:
        raise UsageError(f"{what} has one kind of annotations: leave out {annotations!r}")


def recognised(root: Path) -> bool:
    """Whether `root` holds a data set, prepared or in a known layout."""
    return is_prepared(root) or reader_of(root) is not None


def reader_of(root: Path) -> str | None:
    """The name of the layout in `root`; None where there is none of the known ones."""
    return next((name for name, reader in READERS.items() if reader.recognises(root)), None)


def _expected() -> str:
    return "expected " + "; or ".join(reader.layout for reader in reversed(READERS.values()))
