"""What a data set offers as truth: segments, and official files where there are any."""

from __future__ import annotations

import json

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
    labelling,
    official_objects,
    open_truth,
    score_split,
)
from maskattn_models.evaluation.predictions import writing_predictions

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
        ({"images": [{"id": 7, "height": 48}]}, "not a COCO annotation file"),
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
    with pytest.raises(DataError, match="no such file"):
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


@pytest.fixture
def annotated(tmp_path, rooms):
    """The pictures of `rooms` with COCO annotations: a box, and a person half hidden by it."""
    root = tmp_path / "annotated"
    (root / "annotations").mkdir(parents=True)
    (rooms / "images").rename(root / "images")
    masks = {62: [[6, 24, 24, 24, 24, 42, 6, 42]], 1: [[6, 12, 24, 12, 24, 42, 6, 42]]}
    names = [f"{number:06d}.png" for number in range(3)]
    content = {
        "images": [
            {"id": 70 + number, "height": 48, "width": 48, "file_name": name}
            for number, name in enumerate(names)
        ],
        "annotations": [
            {"image_id": 70 + number, "category_id": category, "segmentation": mask}
            for number in range(3)
            for category, mask in sorted(masks.items())
        ],
        "categories": [{"id": 1, "name": "person"}, {"id": 62, "name": "box"}],
    }
    (root / "annotations/test.json").write_text(json.dumps(content), encoding="utf-8")
    return root


def test_masks_that_overlap_count_whole(annotated, tmp_path):
    dataset = open_dataset(annotated)
    assert [info.name for info in dataset.classes] == ["person", "box"]
    work = Assignment(
        dataset=dataset,
        split="test",
        truth=open_truth(dataset, "test"),
        task="instance",
        input=InputSpec(height=16, width=16),
        min_area=1,
    )

    def whole_person(image_nhwc):
        labels = np.full((16, 16), 1, np.uint8)
        labels[4:14, 2:8] = 0
        return labels[np.newaxis]

    with writing_predictions(tmp_path / "answers", work) as each:
        segmenter = labelling(whole_person, dataset.classes, work.input)
        result = score_split(segmenter, work, each=each)
    # The file's person is found whole; of its segment, half is hidden by the box.
    assert result.full_precision.ap[0] == pytest.approx(1)
    assert result.grid_precision.ap[0] < 0.5
    first = json.loads((tmp_path / "answers/instances.json").read_text())[0]
    assert (first["image_id"], first["category_id"]) == (70, 1)
    assert work.truth.category_ids == (1, 62)
