"""Reader of a plain folder with COCO annotations, of the detection or the panoptic format."""

from __future__ import annotations

from pathlib import Path

from maskattn_edge.contract.classes import ClassInfo
from maskattn_edge.contract.errors import DataError
from maskattn_models.data.class_tables import ClassTable
from maskattn_models.data.coco_json import CategoriesOnly, read_json, table_of
from maskattn_models.data.dataset import EVERY_TASK, DataSet, Truth
from maskattn_models.data.outlines import OutlineSplit, OutlineTruth, list_outlines
from maskattn_models.data.panoptic import PanopticSplit, PanopticTruth, list_panoptic

LAYOUT = "images/{train,val,test}/ with annotations/{train,val,test}.json (COCO format)"

_SPLITS = ("train", "val", "test")


def recognises_coco_folder(root: Path) -> bool:
    """Whether `root` has `images/` and `annotations/SPLIT.json`."""
    return (root / "images").is_dir() and bool(_named(root))


def open_coco_folder(root: Path, annotations: str = "") -> DataSet:
    """Open a folder with `annotations/SPLIT.json`; with `panoptic/SPLIT/*.png` they are panoptic.

    Classes are the file's categories in the order of their ids; `isthing`, 1 if it lacks, tells
    things from stuff.

    Raises:
        DataError: a file is missing or of another form, or splits differ in their categories.
    """
    table = _table(root)
    truth = _truth(root, table)
    splits, official, files = {}, {}, {}
    for name, path in _named(root).items():
        if isinstance(truth, PanopticTruth):
            samples, own = list_panoptic(truth, _panoptic(root, name), table)
        else:
            samples, own = list_outlines(truth, _outlines(root, name), table)
        if samples:
            splits[name], official[name], files[name] = samples, (own,), (path,)
    if not splits:
        raise DataError(f"{root / 'annotations'}: no file lists an image; expected {LAYOUT}")
    return DataSet(
        name=root.resolve().name,
        root=root,
        classes=table.classes,
        splits=splits,
        tasks=EVERY_TASK if isinstance(truth, PanopticTruth) else frozenset({"instance"}),
        truth=truth,
        official=official,
        annotations=files,
    )


def coco_folder_truth(root: Path, annotations: str, classes: tuple[ClassInfo, ...]) -> Truth:
    """How the files are read; the categories are read from the annotations at once."""
    return _truth(root, _table(root))


def _truth(root: Path, table: ClassTable) -> PanopticTruth | OutlineTruth:
    names = _named(root)
    if (root / "panoptic").is_dir():
        return PanopticTruth({name: _panoptic(root, name) for name in names}, table)
    return OutlineTruth({name: _outlines(root, name) for name in names}, table)


def _table(root: Path) -> ClassTable:
    tables = {
        path: table_of(read_json(path, CategoriesOnly).categories, path)
        for path in _named(root).values()
    }
    first, *others = tables
    for other in others:
        if tables[other] != tables[first]:
            raise DataError(f"{other}: its categories are not those of {first.name}: make them one")
    return tables[first]


def _named(root: Path) -> dict[str, Path]:
    paths = {name: root / "annotations" / f"{name}.json" for name in _SPLITS}
    return {name: path for name, path in paths.items() if path.is_file()}


def _panoptic(root: Path, split: str) -> PanopticSplit:
    return PanopticSplit(
        images=root / "images" / split,
        pictures=root / "panoptic" / split,
        annotations=root / "annotations" / f"{split}.json",
    )


def _outlines(root: Path, split: str) -> OutlineSplit:
    return OutlineSplit(
        images=root / "images" / split, annotations=root / "annotations" / f"{split}.json"
    )
