"""Reader of COCO 2017: panoptic segments, or instances, or stuff.

Source: Lin et al., Microsoft COCO, ECCV 2014; Caesar et al., COCO-Stuff, CVPR 2018; Kirillov et
al., Panoptic Segmentation, CVPR 2019. cocodataset.org. Annotations are CC BY 4.0.
"""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from maskattn_edge.contract.classes import ClassInfo
from maskattn_edge.contract.errors import DataError, UsageError
from maskattn_edge.contract.spec import Task
from maskattn_models.data.class_tables import ClassTable, coco_table, coco_things
from maskattn_models.data.coco_json import CategoriesOnly, read_json, table_of
from maskattn_models.data.dataset import EVERY_TASK, SEMANTIC, DataSet, OfficialTruth, Truth
from maskattn_models.data.outlines import OutlineSplit, OutlineTruth, list_outlines
from maskattn_models.data.panoptic import PanopticSplit, PanopticTruth, list_panoptic

LAYOUT = "{train,val}2017/*.jpg with annotations/panoptic_{train,val}2017.json (COCO 2017)"

Annotations = Literal["panoptic", "instances", "stuff"]
ANNOTATIONS: tuple[Annotations, ...] = ("panoptic", "instances", "stuff")
_TASKS: dict[Annotations, frozenset[Task]] = {
    "panoptic": EVERY_TASK,
    "instances": frozenset({"instance"}),
    "stuff": SEMANTIC,
}
_STUFF_IDS = tuple(range(92, 183))
_STUFF_VOID = (183,)
"""COCO-Stuff's category "other", which stands for all things."""


def recognises_coco(root: Path) -> bool:
    """Whether `root` has pictures and annotations of COCO 2017."""
    return any(_splits(root, kind) for kind in ANNOTATIONS)


def open_coco(root: Path, annotations: str = "") -> DataSet:
    """Open COCO 2017; by default the first of panoptic, instances, stuff that is there.

    Panoptic truth has 133 classes and serves every task; the instance masks of `annotations/
    instances_*.json`, which overlap, are named in `DataSet.official` where they are there too.

    Raises:
        UsageError: there is no such kind of annotations.
        DataError: these annotations are not there, or name files that are not.
    """
    kind = _choose(root, annotations)
    table = _table(root, kind)
    splits, official, files = {}, {}, {}
    truth = _truth(root, kind, table)
    for name, place in _splits(root, kind).items():
        if isinstance(place, PanopticSplit):
            assert isinstance(truth, PanopticTruth)
            samples, own = list_panoptic(truth, place, table)
            others = _instances(root, name, own)
        else:
            assert isinstance(truth, OutlineTruth)
            samples, own = list_outlines(truth, place, table)
            others = ()
        if samples:
            splits[name], files[name] = samples, (place.annotations,)
            official[name] = () if kind == "stuff" else (own, *others)
    return DataSet(
        name="coco" if kind == "panoptic" else f"coco-{kind}",
        root=root,
        classes=table.classes,
        splits=splits,
        tasks=_TASKS[kind],
        truth=truth,
        official=official,
        annotations=files,
    )


def coco_truth(root: Path, annotations: str, classes: tuple[ClassInfo, ...]) -> Truth:
    """How COCO's files are read, without reading any; the classes are known by `annotations`."""
    kind = _choose(root, annotations)
    table = ClassTable(classes=classes, ids=_STUFF_IDS) if kind == "stuff" else _table(root, kind)
    return _truth(root, kind, table)


def _choose(root: Path, annotations: str) -> Annotations:
    if annotations not in ("", *ANNOTATIONS):
        raise UsageError(
            f"unknown COCO annotations {annotations!r}; available: {', '.join(ANNOTATIONS)}"
        )
    for kind in ANNOTATIONS:
        if annotations in ("", kind) and _splits(root, kind):
            return kind
    raise DataError(
        f"{root}: has no {annotations or 'COCO'} annotations with pictures; expected {LAYOUT}"
    )


def _truth(root: Path, kind: Annotations, table: ClassTable) -> PanopticTruth | OutlineTruth:
    places = _splits(root, kind)
    if kind == "panoptic":
        panoptic = {n: place for n, place in places.items() if isinstance(place, PanopticSplit)}
        return PanopticTruth(panoptic, table)
    outlines = {n: place for n, place in places.items() if isinstance(place, OutlineSplit)}
    return OutlineTruth(outlines, table, void=_STUFF_VOID if kind == "stuff" else ())


def _table(root: Path, kind: Annotations) -> ClassTable:
    if kind == "panoptic":
        return coco_table()
    if kind == "instances":
        return coco_things()
    path = next(iter(_splits(root, kind).values())).annotations
    categories = read_json(path, CategoriesOnly).categories
    named = {entry.id: entry for entry in categories}
    if missing := [number for number in _STUFF_IDS if number not in named]:
        raise DataError(f"{path}: lacks the stuff category {missing[0]}: download it again")
    table = table_of([named[number] for number in _STUFF_IDS], path)
    stuff = tuple(ClassInfo(info.name, info.color) for info in table.classes)
    return ClassTable(classes=stuff, ids=table.ids)


def _splits(root: Path, kind: Annotations) -> dict[str, PanopticSplit | OutlineSplit]:
    """The splits whose annotations and pictures are both there."""
    found: dict[str, PanopticSplit | OutlineSplit] = {}
    for name in ("train", "val"):
        images = root / f"{name}2017"
        annotations = root / "annotations" / f"{kind}_{name}2017.json"
        if not images.is_dir() or not annotations.is_file():
            continue
        if kind == "panoptic":
            pictures = root / f"panoptic_{name}2017"
            found[name] = PanopticSplit(images=images, pictures=pictures, annotations=annotations)
        else:
            found[name] = OutlineSplit(images=images, annotations=annotations)
    return found


def _instances(root: Path, split: str, panoptic: OfficialTruth) -> tuple[OfficialTruth, ...]:
    """The masks for AP of the same pictures, where their file is there."""
    path = root / "annotations" / f"instances_{split}2017.json"
    if not path.is_file():
        return ()
    truth = OfficialTruth(
        kind="instances",
        annotations=path,
        category_ids=panoptic.category_ids,
        image_ids=panoptic.image_ids,
    )
    return (truth,)
