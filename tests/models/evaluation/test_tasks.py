"""Panoptic and instance models, and semantic ones scored for their tasks, from file to report."""

from __future__ import annotations

import json
import shutil

import cv2
import numpy as np
import pytest
import typer
from typer.testing import CliRunner

from maskattn_edge.cli.evaluate import evaluate as command
from maskattn_edge.components import MIN_AREA
from maskattn_edge.contract.errors import DataError, MissingDependencyError, UsageError
from maskattn_edge.scores import mean_precision, mean_quality, quality_per_class
from maskattn_models.data import open_dataset
from maskattn_models.evaluation import evaluate_file, score_table

FLOOR, WALL, BOX, PERSON = range(4)


def flat(rooms):
    """Labels of the truth on the grid, the corner as wall."""
    labels = cv2.imread(str(rooms / "masks/test/000000.png"), cv2.IMREAD_UNCHANGED)[1::3, 1::3]
    labels[labels == 255] = WALL
    return labels


def test_a_perfect_panoptic_model(rooms, perfect_model):
    result = evaluate_file(perfect_model, open_dataset(rooms), "test")
    assert result.task == "panoptic"
    assert result.grid_miou == result.full_miou == 1.0
    for counts in (result.grid_panoptic, result.full_panoptic):
        assert mean_quality(counts) == (1, 1, 1)
        assert counts.tp.tolist() == [3, 3, 6, 0]
        assert np.isnan(quality_per_class(counts).pq[PERSON])
    assert result.segments_name == "objects as the model tells them apart"


def test_objects_that_are_joined_or_wrong_cost_quality(rooms, constant_model):
    labels = flat(rooms)
    joined = (labels == BOX).astype(np.uint8)
    path = constant_model("joined.onnx", labels, joined, (BOX,), (1,))
    result = evaluate_file(path, open_dataset(rooms), "test")
    assert result.full_miou == 1.0
    # Of two boxes, one answer covers both: its IoU with each is exactly one half, no match.
    assert result.full_panoptic.fn.tolist() == [0, 0, 6, 0]
    assert result.full_panoptic.fp.tolist() == [0, 0, 3, 0]
    assert mean_quality(result.full_panoptic, result.things).pq == 0


def test_a_semantic_model_as_panoptic_has_regions_for_objects(rooms, constant_model):
    labels = flat(rooms)
    labels[8:14, 7] = FLOOR  # a gap: two regions
    path = constant_model("labels.onnx", labels, task="semantic")
    dataset = open_dataset(rooms)
    plain = evaluate_file(path, dataset, "test")
    assert (plain.task, plain.full_panoptic, plain.segments_name) == ("semantic", None, "")
    result = evaluate_file(path, dataset, "test", task="panoptic", min_area=30)
    np.testing.assert_array_equal(result.full_confusion, plain.full_confusion)
    assert result.full_panoptic.tp.tolist() == [3, 3, 6, 0]
    np.testing.assert_allclose(quality_per_class(result.full_panoptic).pq[BOX], (30 / 36 + 1) / 2)
    assert result.segments_name == "objects are connected regions of 30 or more pixels of the grid"
    fewer = evaluate_file(path, dataset, "test", task="panoptic", min_area=31)
    assert fewer.full_panoptic.tp.tolist() == [3, 3, 3, 0]


def test_mask_ap_at_both_sizes(rooms, perfect_model):
    result = evaluate_file(perfect_model, open_dataset(rooms), "test", task="instance")
    np.testing.assert_allclose(result.full_precision.ap, [np.nan, np.nan, 1, np.nan])
    assert mean_precision(result.grid_precision).ap == pytest.approx(1)
    assert mean_precision(result.full_precision).ap_small == pytest.approx(1)  # 18x18 pixels
    assert result.full_miou == 1.0
    as_labels = evaluate_file(perfect_model, open_dataset(rooms), "test", task="semantic")
    assert as_labels.full_precision is None


def test_a_semantic_model_as_instance(rooms, constant_model):
    labels = flat(rooms)
    labels[8:14, 7] = FLOOR
    path = constant_model("labels.onnx", labels, task="semantic")
    result = evaluate_file(path, open_dataset(rooms), "test", task="instance", min_area=1)
    # One of two boxes has IoU 30/36: found at 7 of 10 thresholds; the other at all.
    assert 0.8 < result.full_precision.ap[BOX] < 1


def test_truth_without_objects_is_one_line(rooms, perfect_model, constant_model):
    shutil.rmtree(rooms / "instances")
    dataset = open_dataset(rooms)
    message = r"rooms: its truth is enough for semantic, not for panoptic scores of perfect\.onnx"
    with pytest.raises(DataError, match=message + ".* --as, or add instances/ beside masks/"):
        evaluate_file(perfect_model, dataset, "test")
    assert evaluate_file(perfect_model, dataset, "test", task="semantic").full_miou == 1.0
    path = constant_model("labels.onnx", flat(rooms), task="semantic")
    with pytest.raises(UsageError, match="not for instance scores of"):
        evaluate_file(path, dataset, "test", task="instance")


@pytest.mark.parametrize(
    ("task", "options", "message"),
    [
        ("instance", {"task": "panoptic"}, "finds objects but labels no stuff"),
        ("panoptic", {"min_area": 3}, "a panoptic model and scored for the panoptic task"),
    ],
)
def test_what_a_model_cannot_be_scored_as(rooms, constant_model, task, options, message):
    labels = flat(rooms)
    path = constant_model("model.onnx", labels, labels == BOX, (BOX,), (1,), task=task)
    with pytest.raises(UsageError, match=message):
        evaluate_file(path, open_dataset(rooms), "test", **options)


def test_a_smallest_area_without_objects_is_refused(rooms, constant_model):
    path = constant_model("labels.onnx", flat(rooms), task="semantic")
    with pytest.raises(UsageError, match="leave out --min-area"):
        evaluate_file(path, open_dataset(rooms), "test", min_area=MIN_AREA)


def test_mask_ap_without_its_package(rooms, perfect_model, monkeypatch):
    def missing(module, *, purpose, extra):
        raise MissingDependencyError(f"{purpose} needs {module}: [{extra}]")

    monkeypatch.setattr("maskattn_edge.scores.objects.require", missing)
    dataset = open_dataset(rooms)
    with pytest.raises(MissingDependencyError, match=r"mask AP needs .*\[evaluate\]"):
        evaluate_file(perfect_model, dataset, "test", task="instance")
    assert evaluate_file(perfect_model, dataset, "test").full_miou == 1.0


def run(*arguments: object, columns: int = 80):
    app = typer.Typer()
    app.command()(command)
    return CliRunner(env={"COLUMNS": str(columns)}).invoke(app, [str(word) for word in arguments])


@pytest.mark.parametrize("task", ["panoptic", "instance", "semantic"])
def test_the_command_for_each_task(rooms, perfect_model, tmp_path, task):
    report, sheet = tmp_path / "report.json", tmp_path / "sheet.png"
    folder = tmp_path / "answers"
    words = ["--data", rooms, "--as", task, "--json", report, "--pictures", sheet]
    done = run(perfect_model, *words, "--predictions", folder)
    assert done.exit_code == 0, done.output
    assert max(map(len, done.output.splitlines())) <= 80
    assert "16x16" in done.output
    assert "full size, grid labels enlarged" in done.output
    content = json.loads(report.read_text(encoding="utf-8"))
    assert (content["schema"], content["task"], content["images"]) == (1, task, 3)
    box = content["classes"][BOX]
    if task == "panoptic":
        assert content["full"]["all"] == content["full"]["things"] == {"pq": 1, "sq": 1, "rq": 1}
        assert box["grid"] == {
            "pq": 1,
            "sq": 1,
            "rq": 1,
            "tp": 6,
            "fp": 0,
            "fn": 0,
            "iou_sum": 6,
        }
        assert content["classes"][PERSON]["full"]["pq"] is None
        assert "things" in done.output
    elif task == "instance":
        assert content["full"]["ap"] == pytest.approx(1)
        assert content["full"]["ap_large"] is None
        assert box["full"]["ap_small"] == pytest.approx(1)
        assert "floor" not in done.output
    else:
        assert "thing" not in box
    assert sheet.stat().st_size > 0
    assert any(folder.iterdir())


def test_long_names_fit_into_the_table(rooms, perfect_model):
    result = evaluate_file(perfect_model, open_dataset(rooms), "test", limit=1)
    names = [entry.name for entry in result.classes]
    assert [row[0] for row in score_table(result).rows] == names
    from dataclasses import replace

    from maskattn_edge.contract.classes import ClassInfo

    longer = replace(result, classes=(ClassInfo("x" * 60, (1, 1, 1)), *result.classes[1:]))
    assert score_table(longer).rows[0][0] == "x" * 19 + "..."


def test_borders_between_objects_are_drawn(rooms, perfect_model, tmp_path):
    pictures = {}
    for task in ("panoptic", "semantic"):
        path = tmp_path / f"{task}.png"
        evaluate_file(perfect_model, open_dataset(rooms), "test", task=task, pictures=path)
        pictures[task] = cv2.imread(str(path))
    assert pictures["panoptic"].shape == pictures["semantic"].shape
    # In the first row of tiles, the middle of the boxes is half way across: there is a line.
    y, x = 38 + 320 * 11 // 16, 16 + 336 + 159
    assert pictures["semantic"][y, x].tolist() == [20, 200, 240]
    assert (pictures["panoptic"][y, x] > pictures["semantic"][y, x]).any()
