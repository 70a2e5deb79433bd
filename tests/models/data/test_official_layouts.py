"""Readers of COCO, ADE20K and Cityscapes on small files in their exact formats."""

from __future__ import annotations

import json
import shutil

import cv2
import numpy as np
import pytest

from maskattn_edge.contract.errors import DataError, UsageError
from maskattn_models.data import (
    content_hash,
    load_labels,
    load_sample,
    load_segments,
    open_dataset,
)

EVERY = {"semantic", "instance", "panoptic"}


def name_of(dataset, label: int) -> str:
    return "void" if label == 255 else dataset.classes[label].name


def test_coco_panoptic(coco_root):
    dataset = open_dataset(coco_root)
    assert (dataset.name, len(dataset.classes), dataset.tasks) == ("coco", 133, EVERY)
    assert {name: len(samples) for name, samples in dataset.splits.items()} == {
        "train": 1,
        "val": 2,
    }
    image, segments = load_segments(dataset.splits["val"][1], dataset)
    assert image.shape == (8, 12, 3)
    names = [dataset.classes[label].name for label in segments.label]
    assert names == ["person", "person", "sky-other-merged"]
    assert segments.crowd.tolist() == [False, True, False]
    assert segments.areas().tolist() == [24, 12, 48]
    assert segments.map[7, [0, 5, 6, 8, 9]].tolist() == [1, 1, 2, 2, 0]


def test_coco_labels_leave_out_void_and_crowds(coco_root):
    dataset = open_dataset(coco_root)
    labels = load_labels(dataset.splits["val"][0], dataset)
    assert [name_of(dataset, label) for label in labels[7, [0, 6, 9]]] == ["person", "void", "void"]
    assert name_of(dataset, labels[0, 0]) == "sky-other-merged"


def test_coco_names_the_original_masks_for_ap(coco_root):
    dataset = open_dataset(coco_root)
    truth = dataset.official_truth("val", "instances")
    assert truth.annotations == coco_root / "annotations" / "instances_val2017.json"
    assert truth.image_ids == (139, 285)
    assert truth.category_ids[:2] == (1, 2)
    panoptic = dataset.official_truth("val", "panoptic")
    assert panoptic.pictures == coco_root / "panoptic_val2017"
    assert panoptic.category_ids[-1] == 200


def test_coco_instances_are_drawn_in_the_order_of_the_file_over_crowds(coco_root):
    dataset = open_dataset(coco_root, "instances")
    assert (dataset.name, len(dataset.classes), dataset.tasks) == (
        "coco-instances",
        80,
        {"instance"},
    )
    segments = load_segments(dataset.splits["val"][0], dataset)[1]
    assert [dataset.classes[label].name for label in segments.label] == [
        "person",
        "toothbrush",
        "person",
    ]
    assert segments.crowd.tolist() == [False, False, True]
    expected = np.zeros((8, 12), int)
    expected[4:, 4:7] = 3  # of the crowd, columns 4 and 5 lie below the person
    expected[4:, :6] = 1
    expected[4:6, 2:4] = 2
    np.testing.assert_array_equal(segments.map, expected)
    assert dataset.official_truth("val", "panoptic") is None


@pytest.mark.parametrize(
    "outline",
    [
        {"size": [8, 12], "counts": [13, 2, 83 - 2]},
        {"size": [8, 12], "counts": "=2a2"},
        [[1.0, 5.0, 2.0, 5.0, 2.0, 7.0, 1.0, 7.0]],
    ],
)
def test_coco_run_lengths_and_polygons_give_the_pixels_of_cocos_api(coco_root, outline):
    path = coco_root / "annotations" / "instances_train2017.json"
    content = json.loads(path.read_text())
    content["annotations"] = content["annotations"][:1]
    content["annotations"][0]["segmentation"] = outline
    path.write_text(json.dumps(content))
    dataset = open_dataset(coco_root, "instances")
    segments = load_segments(dataset.splits["train"][0], dataset)[1]
    assert np.argwhere(segments.map).tolist() == [[5, 1], [6, 1]]


def stuff(root, files):
    names = [{"id": number, "name": f"stuff {number}"} for number in range(92, 184)]
    for split, number in (("train", 9),):
        columns = {"size": [8, 12], "counts": [0, 48, 48]}
        others = {"size": [8, 12], "counts": [48, 48]}
        files.json(
            root / "annotations" / f"stuff_{split}2017.json",
            {"images": [{"id": number, "file_name": f"{number:012d}.jpg", "height": 8,
                         "width": 12}],
             "annotations": [
                 {"image_id": number, "category_id": 106, "segmentation": columns, "iscrowd": 0},
                 {"image_id": number, "category_id": 183, "segmentation": others, "iscrowd": 0},
             ],
             "categories": names},
        )  # fmt: skip
    return root


def test_coco_stuff_has_91_classes_and_other_is_void(coco_root, files):
    dataset = open_dataset(stuff(coco_root, files), "stuff")
    assert (len(dataset.classes), dataset.tasks) == (91, {"semantic"})
    labels = load_labels(dataset.splits["train"][0], dataset)
    assert name_of(dataset, labels[0, 5]) == "stuff 106"
    assert not any(info.thing for info in dataset.classes)
    assert (labels[:, 6:] == 255).all()


def test_coco_takes_what_is_there(coco_root):
    for path in (coco_root / "annotations").glob("panoptic_*"):
        path.unlink()
    assert open_dataset(coco_root).name == "coco-instances"
    with pytest.raises(DataError, match="has no panoptic annotations with pictures"):
        open_dataset(coco_root, "panoptic")
    with pytest.raises(UsageError, match="unknown COCO annotations 'boxes'; available: panoptic"):
        open_dataset(coco_root, "boxes")


def test_the_content_hash_covers_the_annotations(coco_root):
    before = content_hash(open_dataset(coco_root), "val")
    path = coco_root / "annotations" / "panoptic_val2017.json"
    path.write_text(path.read_text().replace('"category_id": 187', '"category_id": 184'))
    assert content_hash(open_dataset(coco_root), "val") != before


def lose_image(root):
    (root / "val2017" / "000000000285.jpg").unlink()


def lose_png(root):
    (root / "panoptic_val2017" / "000000000285.png").unlink()


def cut_json(root):
    path = root / "annotations" / "panoptic_val2017.json"
    path.write_bytes(path.read_bytes()[:-40])


def forget_segment(root):
    path = root / "annotations" / "panoptic_val2017.json"
    path.write_text(path.read_text().replace('"id": 300,', '"id": 301,'))


def grey_png(root):
    cv2.imwrite(str(root / "panoptic_val2017/000000000139.png"), np.zeros((8, 12), np.uint8))


def small_png(root):
    cv2.imwrite(str(root / "panoptic_val2017/000000000139.png"), np.zeros((4, 12, 3), np.uint8))


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lose_image, r"285\.jpg: no such image, but panoptic_val2017\.json names it; 1 of 2"),
        (lose_png, r"285\.png: no such panoptic PNG, but panoptic_val2017\.json names it"),
        (cut_json, r"panoptic_val2017\.json: not a COCO annotation file"),
        (forget_segment, r"139\.png: holds the segment 300, which panoptic_val2017\.json does not"),
        (grey_png, r"139\.png: has 8 bits per sample and the colour type 0; an id picture is RGB"),
        (small_png, r"139\.png: the mask is 12x4, its image 12x8"),
    ],
)
def test_damaged_coco_is_one_line(coco_root, damage, message):
    damage(coco_root)
    with pytest.raises(DataError, match=message) as caught:
        open_dataset(coco_root)
    assert "\n" not in str(caught.value)


def test_ade20k_semantic(ade20k_root):
    dataset = open_dataset(ade20k_root)
    assert (dataset.name, len(dataset.classes), dataset.tasks) == ("ade20k", 150, EVERY)
    assert [len(dataset.splits[name]) for name in ("train", "val")] == [2, 1]
    labels = load_labels(dataset.splits["val"][0], dataset)
    assert [name_of(dataset, label) for label in labels[[0, 7, 0], [0, 0, 11]]] == [
        "wall",
        "bed",
        "void",
    ]


def test_ade20k_panoptic_has_objects_over_stuff(ade20k_root):
    dataset = open_dataset(ade20k_root.parent)  # the folder above is fine as well
    segments = load_segments(dataset.splits["val"][0], dataset)[1]
    names = ["void", *(dataset.classes[label].name for label in segments.label)]
    found = [names[number] for number in segments.map[[0, 7, 3, 4, 7, 0], [0, 0, 3, 4, 6, 11]]]
    assert found == ["wall", "bed", "flag", "flag", "void", "void"]  # a bed without a number
    assert not segments.crowd.any()


def test_ade20k_without_instances_is_semantic(ade20k_root):
    shutil.rmtree(ade20k_root / "annotations_instance")
    dataset = open_dataset(ade20k_root)
    assert dataset.tasks == {"semantic"}
    assert len(load_segments(dataset.splits["val"][0], dataset)[1]) == 2


@pytest.mark.parametrize(
    ("color", "message"),
    [
        ((2, 7, 0), r"instance 7 has the categories 1 and 2"),
        ((101, 9, 0), r"00000001\.png: holds the category 101; there are 1 to 100"),
    ],
)
def test_ade20k_mislabelled_instances(ade20k_root, files, color, message):
    picture = np.zeros((8, 12, 3), np.uint8)
    picture[0], picture[1] = (1, 7, 0), color
    path = ade20k_root / "annotations_instance" / "validation" / "ADE_val_00000001.png"
    files.write(path, picture)
    dataset = open_dataset(ade20k_root)
    with pytest.raises(DataError, match=message):
        load_segments(dataset.splits["val"][0], dataset)


def test_ade20k_with_a_missing_instance_mask(ade20k_root):
    (ade20k_root / "annotations_instance/training/ADE_train_00000002.png").unlink()
    with pytest.raises(DataError, match=r"ADE_train_00000002\.png: no such instance mask"):
        open_dataset(ade20k_root)


def test_cityscapes_labels_are_train_ids(cityscapes_root):
    dataset = open_dataset(cityscapes_root)
    assert (dataset.name, len(dataset.classes), dataset.tasks) == ("cityscapes", 19, EVERY)
    assert sorted(dataset.splits) == ["train", "val"]
    labels = load_labels(dataset.splits["val"][0], dataset)
    assert labels[[0, 2, 4, 4, 6, 6, 7], [0, 0, 0, 4, 0, 1, 0]].tolist() == [
        10, 13, 11, 255, 255, 0, 255,
    ]  # fmt: skip


def test_cityscapes_segments(cityscapes_root):
    dataset = open_dataset(cityscapes_root)
    segments = load_segments(dataset.splits["train"][0], dataset)[1]
    names = [dataset.classes[label].name for label in segments.label]
    found = dict(
        zip(segments.areas().tolist(), zip(names, segments.crowd, strict=True), strict=False)
    )
    assert names == ["road", "sky", "person", "car", "car"]
    assert segments.crowd.tolist() == [False, False, True, False, False]
    assert segments.map[4, 4] == 0
    assert found[6] == ("person", True)


def test_cityscapes_segments_are_those_of_its_own_tool(cityscapes_root, tmp_path):
    tool = pytest.importorskip("cityscapesscripts.preparation.createPanopticImgs")
    out = tmp_path / "panoptic"
    out.mkdir()
    tool.convert2panoptic(str(cityscapes_root / "gtFine"), str(out), True, ["val"])
    entry = json.loads((out / "cityscapes_panoptic_val_trainId.json").read_text())["annotations"][0]
    dataset = open_dataset(cityscapes_root)
    segments = load_segments(dataset.splits["val"][0], dataset)[1]
    theirs = [(s["category_id"], s["iscrowd"], s["area"]) for s in entry["segments_info"]]
    ours = zip(segments.label.tolist(), segments.crowd.tolist(), segments.areas(), strict=True)
    assert [(label, int(crowd), int(area)) for label, crowd, area in ours] == theirs


def test_cityscapes_with_a_missing_or_foreign_file(cityscapes_root, files):
    folder = cityscapes_root / "gtFine" / "val" / "frankfurt"
    path = folder / "frankfurt_000000_000019_gtFine_instanceIds.png"
    files.write(path, np.full((8, 16), 45_001, np.uint16))
    dataset = open_dataset(cityscapes_root)
    with pytest.raises(DataError, match=r"instanceIds\.png: holds the value 45001; label ids end"):
        load_segments(dataset.splits["val"][0], dataset)
    path.unlink()
    with pytest.raises(DataError, match=r"instanceIds\.png: no such instance file"):
        open_dataset(cityscapes_root)


def test_only_coco_has_a_choice_of_annotations(cityscapes_root):
    with pytest.raises(UsageError, match="cityscapes has one kind of annotations"):
        open_dataset(cityscapes_root, "panoptic")


@pytest.mark.parametrize("name", ["coco_root", "ade20k_root", "cityscapes_root"])
def test_labels_and_segments_have_the_size_of_the_image(name, request):
    dataset = open_dataset(request.getfixturevalue(name))
    for samples in dataset.splits.values():
        for sample in samples:
            image, labels = load_sample(sample, dataset)
            segments = load_segments(sample, dataset)[1]
            assert image.shape[:2] == labels.shape == segments.map.shape
