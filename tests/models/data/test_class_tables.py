"""The tables of classes are those that the data sets publish."""

from __future__ import annotations

import csv
import hashlib
import json
import os
from pathlib import Path

import pytest

from maskattn_models.data.class_tables import (
    ade20k_table,
    cityscapes_table,
    coco_table,
    coco_things,
)

TABLES = {"coco": coco_table, "ade20k": ade20k_table, "cityscapes": cityscapes_table}
CHECKSUMS = {
    "coco": "4ffb02d6a8568e297130601304cb63d47e6dce5949a2ee861e9993445173eae5",
    "ade20k": "f2ae2da5994c88b26172f8ad7ebcfe6ad77514d8e1535944f449e61306c7730d",
    "cityscapes": "8a5003c504b24e374bccc7e24319e16ae1ee2eb941aa4e836f4a7df8556f1eb4",
}


def published(name: str) -> Path:
    folder = os.environ.get("MASKATTN_LABELS")
    if not folder:
        pytest.skip("MASKATTN_LABELS does not name a folder of published lists of classes")
    return Path(folder) / name


@pytest.mark.parametrize("name", TABLES)
def test_tables_are_pinned(name):
    table = TABLES[name]()
    rows = [
        (index, number, info.name, info.thing)
        for index, (number, info) in enumerate(zip(table.ids, table.classes, strict=True))
    ]
    text = json.dumps([rows, table.instance_ids])
    assert hashlib.sha256(text.encode()).hexdigest() == CHECKSUMS[name]


def test_coco_has_80_things_and_53_stuff_classes():
    table = coco_table()
    assert [info.thing for info in table.classes] == [True] * 80 + [False] * 53
    assert (table.ids[0], table.ids[79], table.ids[80], table.ids[132]) == (1, 90, 92, 200)
    assert coco_things().ids == table.ids[:80]
    assert len(set(table.ids)) == len({info.name for info in table.classes}) == 133


def test_ade20k_has_100_things():
    table = ade20k_table()
    assert table.ids == tuple(range(1, 151))
    assert sum(info.thing for info in table.classes) == 100
    assert sorted(table.instance_ids)[50:] == list(range(1, 101))


def test_cityscapes_label_ids_are_in_the_order_of_the_train_ids():
    table = cityscapes_table()
    expected = (7, 8, 11, 12, 13, 17, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 31, 32, 33)
    assert table.ids == expected
    assert [info.thing for info in table.classes] == [False] * 11 + [True] * 8


def test_coco_against_the_published_categories():
    categories = json.loads(published("panoptic_coco_categories.json").read_text())
    ours = [
        (number, info.name, list(info.color), int(info.thing))
        for number, info in zip(coco_table().ids, coco_table().classes, strict=True)
    ]
    theirs = [(c["id"], c["name"], c["color"], c["isthing"]) for c in categories]
    assert ours == theirs


def test_ade20k_against_the_published_lists():
    lines = published("ade20k_objectInfo150.csv").read_text().splitlines()
    rows = list(csv.DictReader(lines))
    table = ade20k_table()
    for row, number, info in zip(rows, table.ids, table.classes, strict=True):
        assert int(row["Idx"]) == number
        words = row["Name"].replace(";", " ").split()
        assert set(info.name.split()) <= set(words)
    lines = published("ade20k_categoryMapping_instance100.txt").read_text().splitlines()[1:]
    mapping = {int(line.split()[0]): int(line.split()[1]) for line in lines if line.strip()}
    ours = {
        instance: number
        for instance, number in zip(table.instance_ids, table.ids, strict=True)
        if instance
    }
    assert ours == mapping


def test_cityscapes_against_its_scripts():
    labels = pytest.importorskip("cityscapesscripts.helpers.labels").labels
    theirs = sorted(
        (label.trainId, label.id, label.name, label.color, label.hasInstances)
        for label in labels
        if 0 <= label.trainId < 19
    )
    table = cityscapes_table()
    ours = [
        (index, number, info.name, info.color, info.thing)
        for index, (number, info) in enumerate(zip(table.ids, table.classes, strict=True))
    ]
    assert ours == theirs
