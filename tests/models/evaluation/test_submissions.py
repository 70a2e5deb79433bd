"""Predictions as official evaluators read them: read back here by their published rules."""

from __future__ import annotations

import json
import os
from dataclasses import replace

import cv2
import numpy as np
import pytest

from maskattn_edge.contract.classes import ClassInfo
from maskattn_edge.contract.errors import ContractError, SinkError, UsageError
from maskattn_edge.contract.spec import InputSpec
from maskattn_edge.segments import Segments
from maskattn_models.data import open_dataset
from maskattn_models.evaluation import (
    Assignment,
    evaluate_file,
    open_predictor,
    open_truth,
    score_split,
)
from maskattn_models.evaluation.predictions import writing_predictions
from maskattn_models.evaluation.submissions import (
    FORMATS,
    Numbering,
    PredictedPicture,
    official_ids,
    suitable_format,
)

CLASSES = (
    ClassInfo("road", (1, 1, 1)),
    ClassInfo("car", (2, 2, 2), thing=True),
    ClassInfo("person", (3, 3, 3), thing=True),
)
NUMBERING = Numbering(classes=CLASSES, category_ids=(149, 3, 1))


def picture(stem="000000000139", image_id=139):
    """A road, a car over it, 300 persons of which all but the last are covered."""
    segment_map = np.ones((40, 60), np.uint16)
    segment_map[10:20, 5:30] = 2
    segment_map[30:32, 50:59] = 302
    return PredictedPicture(
        stem=stem,
        image_id=image_id,
        labels=np.array([255, 0, 1, *[2] * 300], np.uint8)[segment_map],
        segments=Segments(
            map=segment_map,
            label=np.array([0, 1, *[2] * 300], np.uint8),
            score=np.linspace(0, 1, 302, dtype=np.float32),
        ),
    )


def written(name, folder, numbering=NUMBERING, pictures=None):
    writer = FORMATS[name].writer(folder, numbering)
    for entry in pictures or [picture()]:
        writer.add(entry)
    writer.finish()


def read_png(path):
    return cv2.imread(str(path), cv2.IMREAD_UNCHANGED)


def test_coco_panoptic(tmp_path):
    written("coco-panoptic", tmp_path)
    (entry,) = json.loads((tmp_path / "panoptic.json").read_text())["annotations"]
    assert (entry["image_id"], entry["file_name"]) == (139, "000000000139.png")
    blue, green, red = np.moveaxis(read_png(tmp_path / "panoptic/000000000139.png"), -1, 0)
    ids = red.astype(int) + 256 * green.astype(int) + 65536 * blue.astype(int)
    np.testing.assert_array_equal(ids, picture().segments.map)
    # The evaluator refuses segments that the JSON or the PNG has alone.
    assert {info["id"] for info in entry["segments_info"]} == set(np.unique(ids).tolist())
    assert [info["category_id"] for info in entry["segments_info"]] == [149, 3, 1]
    for info in entry["segments_info"]:
        mask = (ids == info["id"]).astype(np.uint8)
        assert info["area"] == mask.sum()
        assert info["bbox"] == list(cv2.boundingRect(mask))


def test_coco_instances(tmp_path):
    package = pytest.importorskip("faster_coco_eval")
    written("coco-instances", tmp_path)
    images = {"images": [{"id": 139, "height": 40, "width": 60}], "annotations": []}
    truth = package.COCO(images | {"categories": [{"id": 1}, {"id": 3}]})
    found = truth.loadRes(str(tmp_path / "instances.json"))
    car, person = (found.anns[number] for number in (1, 2))
    assert (car["category_id"], person["category_id"]) == (3, 1)
    assert (car["score"], person["score"]) == pytest.approx((1 / 301, 1))
    np.testing.assert_array_equal(found.annToMask(car), picture().segments.map == 2)
    np.testing.assert_array_equal(found.annToMask(person), picture().segments.map == 302)


def test_labels(tmp_path):
    written("labels", tmp_path)
    labels = read_png(tmp_path / "000000000139.png")
    assert labels.dtype == np.uint8
    np.testing.assert_array_equal(labels, np.array([149, 3, 1])[picture().labels])
    written("labels", tmp_path, Numbering(classes=CLASSES, category_ids=(7, 500, 1)))
    assert read_png(tmp_path / "000000000139.png").max() == 500


def test_cityscapes_instances(tmp_path):
    stem = "frankfurt_000000_000294_leftImg8bit"
    written("cityscapes-instances", tmp_path, pictures=[picture(stem)])
    lines = (tmp_path / f"{stem}.txt").read_text().splitlines()
    found = [line.split(" ") for line in lines]
    assert [(label, score) for _, label, score in found] == [("3", "0.003322"), ("1", "1.000000")]
    for (path, _, _), number in zip(found, (2, 302), strict=True):
        assert not os.path.isabs(path)
        mask = read_png(tmp_path / path)
        np.testing.assert_array_equal(mask > 0, picture().segments.map == number)


def test_segments_are_needed_for_formats_that_hold_them(tmp_path):
    for name, entry in FORMATS.items():
        if entry.task == "semantic":
            continue
        with pytest.raises(ContractError, match="holds segments, the answer is labels only"):
            written(name, tmp_path, pictures=[replace(picture(), segments=None)])


def test_each_task_has_a_format_with_and_without_cityscapes():
    found = [
        suitable_format(task, cityscapes=cityscapes).writer.__name__
        for cityscapes in (False, True)
        for task in ("semantic", "panoptic", "instance")
    ]
    assert found == [
        *("LabelPng", "CocoPanoptic", "CocoInstances"),
        *("LabelPng", "CocoPanoptic", "CityscapesInstances"),
    ]


def test_official_numbers():
    general, cityscapes = FORMATS["labels"], FORMATS["cityscapes-labels"]
    assert official_ids(general, CLASSES, None) == (1, 2, 3)
    assert official_ids(general, CLASSES, (5, 6, 9)) == (5, 6, 9)
    assert official_ids(cityscapes, CLASSES, (0, 13, 11)) == (7, 26, 24)
    panoptic = FORMATS["coco-panoptic"]
    assert official_ids(panoptic, CLASSES, None, ade20k=True) == (0, 1, 2)
    assert official_ids(general, CLASSES, None, ade20k=True) == (1, 2, 3)
    with pytest.raises(UsageError, match="Cityscapes has no class 'floor'; available: road, "):
        official_ids(cityscapes, (ClassInfo("floor", (1, 1, 1)),), None)
    with pytest.raises(ContractError, match="3 classes have as many official numbers, got 2"):
        Numbering(classes=CLASSES, category_ids=(1, 2))
    with pytest.raises(ContractError, match="two classes have one official number"):
        Numbering(classes=CLASSES, category_ids=(1, 2, 2))


def test_a_folder_from_a_model_is_at_the_size_of_the_images(rooms, perfect_model, tmp_path):
    folder = tmp_path / "answers"
    evaluate_file(perfect_model, open_dataset(rooms), "test", predictions=folder)
    entries = json.loads((folder / "panoptic.json").read_text())["annotations"]
    assert [entry["image_id"] for entry in entries] == [0, 1, 2]
    assert read_png(folder / "panoptic/000000.png").shape == (48, 48, 3)
    assert [info["category_id"] for info in entries[0]["segments_info"]] == [3, 3, 1, 2]
    assert sum(info["area"] for info in entries[0]["segments_info"]) == 48 * 48
    with pytest.raises(UsageError, match="answers exists and is not empty"):
        evaluate_file(perfect_model, open_dataset(rooms), "test", predictions=folder)


def answer_to(model_file, dataset, folder, task, **official):
    work = Assignment(
        dataset=dataset,
        split="test",
        truth=replace(open_truth(dataset, "test"), **official),
        task=task,
        input=InputSpec(height=16, width=16),
    )
    with open_predictor(model_file) as model, writing_predictions(folder, work) as each:
        score_split(model.answer, work, each=each)


def test_images_of_cityscapes_have_their_names_and_numbers(rooms, perfect_model, tmp_path):
    for folder in ("images", "masks", "instances"):
        for path in sorted((rooms / folder / "test").iterdir()):
            path.rename(path.with_name(f"ulm_{path.stem}_000019_leftImg8bit.png"))
    with pytest.raises(UsageError, match="Cityscapes has no class 'floor'"):
        evaluate_file(perfect_model, open_dataset(rooms), "test", predictions=tmp_path / "a")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["perfect.onnx", "rooms"]
    dataset = open_dataset(rooms)
    names = ("road", "building", "car", "person")
    streets = replace(
        dataset,
        classes=tuple(
            ClassInfo(name, info.color, info.thing)
            for name, info in zip(names, dataset.classes, strict=True)
        ),
    )
    for task in ("semantic", "panoptic", "instance"):
        answer_to(perfect_model, streets, tmp_path / task, task)
    stem = "ulm_000001_000019_leftImg8bit"
    assert np.unique(read_png(tmp_path / f"semantic/{stem}.png")).tolist() == [7, 11, 26]
    entry = json.loads((tmp_path / "panoptic/panoptic.json").read_text())["annotations"][1]
    assert entry["image_id"] == "ulm_000001_000019"
    assert [info["category_id"] for info in entry["segments_info"]] == [26, 26, 7, 11]
    lines = (tmp_path / f"instance/{stem}.txt").read_text().splitlines()
    assert [line.split(" ")[1:] for line in lines] == [["26", "0.900000"], ["26", "0.800000"]]


def test_official_names_of_images_come_first(rooms, perfect_model, tmp_path):
    dataset = open_dataset(rooms)
    official = {
        "image_ids": {dataset.split("test")[1]: "other"},
        "category_ids": (9, 8, 7, 6),
    }
    answer_to(perfect_model, dataset, tmp_path / "answers", "panoptic", **official)
    entries = json.loads((tmp_path / "answers/panoptic.json").read_text())["annotations"]
    assert [entry["image_id"] for entry in entries] == [0, "other", 2]
    assert entries[0]["segments_info"][0]["category_id"] == 7


def test_a_failure_leaves_no_folder(rooms, perfect_model, tmp_path, monkeypatch):
    def full(self, name, picture):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(
        "maskattn_models.evaluation.submissions.submission.SubmissionWriter.save_png", full
    )
    with pytest.raises(SinkError, match="answers: cannot write the predictions: No space left"):
        evaluate_file(perfect_model, open_dataset(rooms), "test", predictions=tmp_path / "answers")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["perfect.onnx", "rooms"]
