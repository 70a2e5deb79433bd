"""Plain folders with instance masks, and with COCO annotations."""

from __future__ import annotations

import json

import numpy as np
import pytest

from maskattn_edge.contract.errors import DataError
from maskattn_models.data import load_labels, load_segments, open_dataset

CLASSES = [{"name": "floor"}, {"name": "box", "thing": True}]


@pytest.fixture
def folder(tmp_path, files):
    """Two boxes on a floor; a third box has no number; one pixel is ignored."""
    mask = np.zeros((6, 8), np.uint8)
    mask[2:5, 1:7] = 1
    mask[0, 0] = 255
    instances = np.zeros((6, 8), np.uint8)
    instances[2:5, 1:3], instances[2:5, 3:5] = 1, 4
    files.json(tmp_path / "set/classes.json", CLASSES)
    for stem in ("a", "b", "c"):
        files.write(tmp_path / f"set/images/{stem}.png", np.zeros((6, 8, 3), np.uint8))
        files.write(tmp_path / f"set/masks/{stem}.png", mask)
        files.write(tmp_path / f"set/instances/{stem}.png", instances)
    return tmp_path / "set"


def test_instances_take_their_class_from_the_mask(folder):
    dataset = open_dataset(folder)
    assert dataset.tasks == {"semantic", "instance", "panoptic"}
    segments = load_segments(dataset.splits["val"][0], dataset)[1]
    assert segments.label.tolist() == [1, 1, 0, 1]
    assert segments.areas().tolist() == [6, 6, 48 - 18 - 1, 6]
    assert segments.crowd.tolist() == [False, False, False, True]  # boxes without a number
    assert segments.map[0, 0] == 0
    assert load_labels(dataset.splits["val"][0], dataset)[2, 6] == 1


@pytest.mark.parametrize(
    ("at", "number", "message"),
    [
        ((5, 5), 4, r"instance 4 covers the classes 'floor' and 'box' of its mask"),
        ((5, 5), 9, r"instance 9 has the class 'floor', which is no thing"),
    ],
)
def test_instances_that_contradict_the_mask(folder, files, at, number, message):
    instances = np.zeros((6, 8), np.uint8)
    instances[2:5, 3:5] = 4
    instances[at] = number
    files.write(folder / "instances/a.png", instances)
    dataset = open_dataset(folder)
    sample = next(s for part in dataset.splits.values() for s in part if s.image.stem == "a")
    with pytest.raises(DataError, match=message):
        load_segments(sample, dataset)


def test_instances_need_a_thing(folder, files):
    files.json(folder / "classes.json", ["floor", "box"])
    with pytest.raises(DataError, match="there are instance masks, but no class is a thing"):
        open_dataset(folder)


def test_a_missing_instance_mask(folder):
    (folder / "instances/b.png").unlink()
    with pytest.raises(DataError, match=r"instances.b\.png: no such instance mask"):
        open_dataset(folder)


def test_instances_of_another_size(folder, files):
    for stem in "abc":
        files.write(folder / f"instances/{stem}.png", np.zeros((6, 9), np.uint8))
    dataset = open_dataset(folder)
    with pytest.raises(DataError, match="its size is 9x6, that of its mask 8x6"):
        load_segments(dataset.splits["train"][0], dataset)


CATEGORIES = [
    {"id": 7, "name": "box", "supercategory": "thing"},
    {"id": 2, "name": "mat", "isthing": 0, "color": [1, 2, 3]},
]


def annotated(root, files, split, entry, categories=CATEGORIES):
    files.write(root / f"images/{split}/p.png", np.zeros((6, 8, 3), np.uint8))
    image = {"id": "p", "file_name": "p.png", "height": 6, "width": 8}
    content = {"images": [image], "annotations": [entry], "categories": categories}
    files.json(root / f"annotations/{split}.json", content)


def test_folder_with_detection_annotations(tmp_path, files):
    for split in ("train", "val"):
        square = [[0, 0, 2, 0, 2, 2, 0, 2]]
        entry = {"image_id": "p", "category_id": 7, "segmentation": square}
        annotated(tmp_path, files, split, entry)
    dataset = open_dataset(tmp_path)
    assert [(info.name, info.thing) for info in dataset.classes] == [("mat", False), ("box", True)]
    assert dataset.classes[0].color == (1, 2, 3)
    assert dataset.tasks == {"instance"}
    segments = load_segments(dataset.splits["train"][0], dataset)[1]
    assert np.argwhere(segments.map).tolist() == [[0, 0], [0, 1], [1, 0], [1, 1]]
    assert dataset.official_truth("val", "instances").category_ids == (2, 7)
    assert dataset.official_truth("val", "instances").image_ids == ("p",)


def test_folder_with_panoptic_annotations(tmp_path, files):
    ids = np.full((6, 8), 400)
    ids[0] = 0
    files.write(tmp_path / "panoptic/train/p.png", files.colors(ids))
    info = [{"id": 400, "category_id": 2}]
    annotated(
        tmp_path, files, "train", {"image_id": "p", "file_name": "p.png", "segments_info": info}
    )
    dataset = open_dataset(tmp_path)
    assert dataset.tasks == {"semantic", "instance", "panoptic"}
    assert load_labels(dataset.splits["train"][0], dataset)[:2, 0].tolist() == [255, 0]


@pytest.mark.parametrize(
    ("segmentation", "message"),
    [
        ({"size": [5, 8], "counts": [40]}, "object 1 of p.png has no usable mask .*size is"),
        ("text", "object 1 of p.png has no usable mask"),
        ({"counts": [48]}, "object 1 of p.png has no usable mask"),
    ],
)
def test_unusable_outlines(tmp_path, files, segmentation, message):
    entry = {"image_id": "p", "category_id": 7, "segmentation": segmentation}
    annotated(tmp_path, files, "train", entry)
    with pytest.raises(DataError, match=message):
        open_dataset(tmp_path)


def test_categories_must_agree(tmp_path, files):
    entry = {"image_id": "p", "category_id": 7, "segmentation": []}
    annotated(tmp_path, files, "train", entry)
    annotated(tmp_path, files, "val", entry, CATEGORIES[:1])
    with pytest.raises(DataError, match=r"val\.json: its categories are not those of train\.json"):
        open_dataset(tmp_path)


@pytest.mark.parametrize(
    ("categories", "message"),
    [
        ([], "1 to 255 categories are possible, has 0"),
        ([CATEGORIES[0], CATEGORIES[0]], "two categories have the same id"),
        ([{"id": 1, "name": ""}], "a category has no usable name or colour"),
        ([{"id": 1, "name": "x", "color": [1, 2, 300]}], "no usable name or colour"),
        ([{"id": "1", "name": "x"}], "not a COCO annotation file"),
    ],
)
def test_unusable_categories(tmp_path, files, categories, message):
    entry = {"image_id": "p", "category_id": 7, "segmentation": []}
    annotated(tmp_path, files, "train", entry, categories)
    with pytest.raises(DataError, match=message):
        open_dataset(tmp_path)


def test_annotations_of_an_unlisted_image(tmp_path, files):
    (tmp_path / "panoptic/train").mkdir(parents=True)
    entry = {"image_id": "q", "file_name": "q.png", "segments_info": []}
    annotated(tmp_path, files, "train", entry)
    with pytest.raises(DataError, match="annotates the image q, which it does not list"):
        open_dataset(tmp_path)
    assert json.loads((tmp_path / "annotations/train.json").read_text())["images"]


@pytest.mark.parametrize("name", ["../p.png", "/p.png", "sub/p.png", "..\\p.png", ""])
def test_file_names_stay_in_their_folder(tmp_path, files, name):
    entry = {"image_id": "p", "category_id": 7, "segmentation": []}
    annotated(tmp_path, files, "train", entry)
    path = tmp_path / "annotations/train.json"
    path.write_text(path.read_text().replace('"p.png"', json.dumps(name)))
    with pytest.raises(DataError, match=r"not a COCO annotation file .*file_name"):
        open_dataset(tmp_path)


def test_an_unknown_category_is_named(tmp_path, files):
    annotated(tmp_path, files, "train", {"image_id": "p", "category_id": 8, "segmentation": []})
    with pytest.raises(DataError, match=r"an object of p\.png has the category 8, which is none"):
        open_dataset(tmp_path)
    (tmp_path / "annotations/train.json").unlink()
    files.write(tmp_path / "panoptic/train/p.png", np.zeros((6, 8, 3), np.uint8))
    info = [{"id": 400, "category_id": 8}]
    annotated(
        tmp_path, files, "train", {"image_id": "p", "file_name": "p.png", "segments_info": info}
    )
    with pytest.raises(DataError, match=r"segment 400 of p\.png has the category 8"):
        open_dataset(tmp_path)
