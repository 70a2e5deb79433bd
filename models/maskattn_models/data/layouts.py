"""The layouts that are read, and how one is told from another."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from maskattn_edge.contract.errors import DataError
from maskattn_models.data import camvid, folder
from maskattn_models.data.dataset import DataSet
from maskattn_models.data.files import list_folder
from maskattn_models.data.pictures import load_sample


class Reader(NamedTuple):
    """One layout: how it is recognised, opened, and described to people."""

    recognises: Callable[[Path], bool]
    open: Callable[[Path], DataSet]
    layout: str


READERS = (
    Reader(camvid.recognises_camvid, camvid.open_camvid, camvid.LAYOUT),
    Reader(folder.recognises_folder, folder.open_folder, folder.LAYOUT),
)
"""In the order in which they are asked; the most particular comes first."""


def open_dataset(root: Path) -> DataSet:
    """Open a data set; its layout is recognised by what lies in the folder.

    The plain layout is `images/` and `masks/` (8-bit single-channel PNG files of the same stems,
    value = class index, 255 = ignored), either with the sub-folders train, val, test in both or
    without, then split 80/10/10 by a hash of the names. `classes.json` names the classes; without
    it they are numbered up to the largest value in the masks. Other layouts: see `READERS`.

    The first image and mask of each split are read, so that what is wrong with all shows at once.

    Raises:
        DataError: the folder is missing, empty or of no known layout; images without masks or
            masks without images; unreadable files. One line: what, where, what to do.
    """
    try:
        return _open(root)
    except PermissionError as error:
        raise DataError(f"{error.filename}: may not be read: change its permissions") from error


def _open(root: Path) -> DataSet:
    content = list_folder(root)
    if not content:
        raise DataError(f"{root}: the folder is empty; {_expected()}")
    reader = recognised(root)
    if reader is None:
        names = ", ".join(path.name for path in content[:5])
        raise DataError(f"{root}: no known layout, it has {names}; {_expected()}")
    dataset = reader.open(root)
    for samples in dataset.splits.values():
        load_sample(samples[0], dataset)
    return dataset


def recognised(root: Path) -> Reader | None:
    """The reader of the layout in `root`; None where there is no data set."""
    return next((reader for reader in READERS if reader.recognises(root)), None)


def _expected() -> str:
    return "expected " + "; or ".join(reader.layout for reader in READERS)
