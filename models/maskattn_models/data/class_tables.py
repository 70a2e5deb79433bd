"""The official classes of COCO, ADE20K and Cityscapes, from the small tables beside this file.

Names, ids and colours are those that the data sets publish: COCO's 133 panoptic categories
(github.com/cocodataset/panopticapi), ADE20K's 150 scene-parsing classes and the 100 of them that
have instances (github.com/CSAILVision), Cityscapes' 19 training classes (cityscapesScripts). A
class's index here is its row. ADE20K publishes several words for a class; the table has the first.
"""

from __future__ import annotations

import csv
from dataclasses import dataclass
from functools import cache
from importlib import resources

from maskattn_edge.contract.classes import ClassInfo, default_color


@dataclass(frozen=True, kw_only=True)
class ClassTable:
    """The classes of a data set by index, with the number that its files have for each.

    Args:
        classes: by index.
        ids: of each class in the data set's files.
        instance_ids: of each class in ADE20K's instance files, 0 for stuff; empty elsewhere.
    """

    classes: tuple[ClassInfo, ...]
    ids: tuple[int, ...]
    instance_ids: tuple[int, ...] = ()

    def index_of(self) -> dict[int, int]:
        """Class index by the number in the files."""
        return {number: index for index, number in enumerate(self.ids)}


@cache
def coco_table() -> ClassTable:
    """COCO's 80 things and 53 stuff classes: the panoptic classes, ids 1..200 with gaps."""
    return _colored("coco")


@cache
def coco_things() -> ClassTable:
    """COCO's 80 things alone, ids 1..90 with gaps."""
    whole = coco_table()
    things = sum(info.thing for info in whole.classes)  # they come first
    return ClassTable(classes=whole.classes[:things], ids=whole.ids[:things])


@cache
def cityscapes_table() -> ClassTable:
    """Cityscapes' 19 classes in the order of its train ids; `ids` are its label ids."""
    return _colored("cityscapes")


@cache
def ade20k_table() -> ClassTable:
    """ADE20K's 150 classes, 100 of them things; `ids` are 1..150 as in its label files."""
    rows = _rows("ade20k")
    return ClassTable(
        classes=tuple(
            ClassInfo(row["name"], default_color(index), thing=row["instance"] != "0")
            for index, row in enumerate(rows)
        ),
        ids=tuple(int(row["id"]) for row in rows),
        instance_ids=tuple(int(row["instance"]) for row in rows),
    )


def _colored(name: str) -> ClassTable:
    rows = _rows(name)
    return ClassTable(
        classes=tuple(
            ClassInfo(
                row["name"],
                (int(row["red"]), int(row["green"]), int(row["blue"])),
                thing=row["thing"] == "1",
            )
            for row in rows
        ),
        ids=tuple(int(row["id"]) for row in rows),
    )


def _rows(name: str) -> list[dict[str, str]]:
    file = resources.files("maskattn_models.data") / "tables" / f"{name}.csv"
    return list(csv.DictReader(file.read_text(encoding="utf-8").splitlines()))
