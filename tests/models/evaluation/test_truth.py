"""What is read as truth: instance masks of the plain layout, and COCO's annotation files."""

from __future__ import annotations

import json

import cv2
import numpy as np
import pytest

from maskattn_edge.contract.errors import DataError
from maskattn_edge.contract.spec import InputSpec
from maskattn_edge.segmentation import Segmentation
from maskattn_models.data import open_dataset
from maskattn_models.data.synthetic import prepare_synthetic
from maskattn_models.evaluation import (
    Assignment,
    TruthSource,
    official_objects,
    open_truth,
    score_split,
)

FLOOR, WALL, BOX, PERSON = range(4)


def test_segments_of_a_folder(rooms):
    dataset = open_dataset(rooms)
    source = open_truth(dataset, "test")
    assert source.tasks == {"semantic", "instance", "panoptic"}
    known = source.load(dataset.split("test")[0])
    assert known.segments.label.tolist() == [BOX, BOX, FLOOR, WALL]
    assert not known.segments.crowd.any()
    np.testing.assert_array_equal(known.segments.labels(), known.labels)
    assert known.segments.areas().tolist() == [9 * 36, 9 * 36, 9 * (160 - 72), 9 * (96 - 4)]


def test_things_outside_objects_are_a_crowd(rooms):
    path = rooms / "instances/test/000000.png"
    instances = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
    cv2.imwrite(str(path), np.where(instances == 2, 0, instances).astype(np.uint16) * 300)
    dataset = open_dataset(rooms)
    segments = open_truth(dataset, "test").load(dataset.split("test")[0]).segments
    assert segments.label.tolist() == [BOX, FLOOR, WALL, BOX]
    assert segments.crowd.tolist() == [False, False, False, True]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda it: it[:8], "its size is 48x8, that of its mask 48x48"),
        (lambda it: np.minimum(it, 1), None),
        (lambda it: np.full_like(it, 3), "instance 3 covers several classes of its mask"),
        (lambda it: np.where(it == 0, 0, it) | 4 * (np.indices(it.shape)[0] > 44), "no thing"),
        (lambda it: np.stack([it] * 3, axis=-1), "not a PNG file of one channel"),
    ],
)
def test_instance_masks_that_do_not_fit(rooms, change, message):
    path = rooms / "instances/test/000000.png"
    instances = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
    cv2.imwrite(str(path), change(instances).astype(np.uint8))
    dataset = open_dataset(rooms)
    source, sample = open_truth(dataset, "test"), dataset.split("test")[0]
    if message is None:
        assert source.load(sample).segments.label.tolist() == [BOX, FLOOR, WALL]
        return
    with pytest.raises(DataError, match=message):
        source.load(sample)
    path.write_bytes(b"")
    with pytest.raises(DataError, match="not a PNG file"):
        source.load(sample)


def test_the_generated_set_has_truth_for_every_task(tmp_path):
    prepare_synthetic(tmp_path / "rooms", images=10, clips=0, seed=0, workers=1)
    dataset = open_dataset(tmp_path / "rooms")
    source = open_truth(dataset, "test")
    known = source.load(dataset.split("test")[0])
    np.testing.assert_array_equal(known.segments.labels(), known.labels)
    assert not known.segments.crowd.any()
    assert (known.segments.areas() > 0).all()


ANNOTATIONS = {
    "images": [{"id": 7, "height": 48, "width": 48, "file_name": "000000.png"}],
    "annotations": [
        {
            "image_id": 7,
            "category_id": 62,
            "segmentation": [[6, 24, 24, 24, 24, 42, 6, 42]],
            "area": 300.5,
            "iscrowd": 0,
            "bbox": [6, 24, 18, 18],
        },
        {
            "image_id": 7,
            "category_id": 62,
            "segmentation": {"size": [48, 48], "counts": [2304]},
            "iscrowd": 1,
        },
        {"image_id": 7, "category_id": 99, "segmentation": [[0, 0, 9, 0, 9, 9]]},
    ],
}


def test_official_objects(tmp_path):
    path = tmp_path / "instances.json"
    path.write_text(json.dumps(ANNOTATIONS), encoding="utf-8")
    (box, crowd) = official_objects(path, (0, 1, 62, 3))[7]
    assert (box.label, box.area, box.crowd) == (BOX, 300.5, False)
    assert (crowd.label, crowd.area, crowd.crowd) == (BOX, 0.0, True)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"images": []}, "annotates image 7, which it does not list"),
        ({"images": [{"id": 7, "height": 48}]}, "not annotations in COCO's detection format"),
        (
            {"images": [{"id": 7, "height": 9, "width": 9}]},
            r"image 7: a segmentation of \(48, 48\)",
        ),
    ],
)
def test_damaged_official_files(tmp_path, change, message):
    path = tmp_path / "instances.json"
    path.write_text(json.dumps(ANNOTATIONS | change), encoding="utf-8")
    with pytest.raises(DataError, match=message):
        official_objects(path, (0, 1, 62, 3))
    with pytest.raises(DataError, match="cannot be read"):
        official_objects(tmp_path / "missing.json", ())


def test_official_objects_stand_in_for_segments_at_full_size(rooms, tmp_path):
    path = tmp_path / "instances.json"
    path.write_text(json.dumps(ANNOTATIONS), encoding="utf-8")
    objects = official_objects(path, (0, 1, 62, 3))[7]
    dataset = open_dataset(rooms)
    plain = open_truth(dataset, "test")
    work = Assignment(
        dataset=dataset,
        split="test",
        truth=TruthSource(tasks=plain.tasks, load=plain.load, objects=lambda sample: objects),
        task="instance",
        input=InputSpec(height=16, width=16),
        min_area=1,
    )

    def left_box_alone(image_nhwc):
        from maskattn_edge.contract.spec import ModelSpec, PrecisionSpec

        labels = np.full((16, 16), FLOOR, np.uint8)
        labels[8:14, 2:8] = BOX
        spec = ModelSpec(
            name="", task="semantic", classes=dataset.classes, input=work.input,
            precision=PrecisionSpec(name="fp32"),
        )  # fmt: skip
        return Segmentation(labels=labels, spec=spec)

    result = score_split(left_box_alone, work)
    assert result.full_precision.ap[BOX] == pytest.approx(1)  # the official truth has one box
    assert result.full_precision.ap_medium[BOX] != result.full_precision.ap_medium[BOX]
    assert result.grid_precision.ap[BOX] < 0.6  # the segments have two
