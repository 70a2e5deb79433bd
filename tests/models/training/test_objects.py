"""Training for instances and panoptic segments: from a folder with instance masks to files."""

import csv
import math
from dataclasses import replace

import numpy as np
import pytest
import torch

from maskattn_edge.cli.app import run_command
from maskattn_edge.contract.errors import CheckpointError, DataError, UsageError
from maskattn_models.checkpoint import held_out_segments, load_checkpoint, load_network
from maskattn_models.data import open_dataset
from maskattn_models.network import NetworkConfig
from maskattn_models.training import AugmentSettings, TrainingInterrupted, TrainingSettings, train
from maskattn_models.training.history import EpochRow, to_rows

CONFIG = NetworkConfig(classes=2, size="n", height=32, width=32, task="panoptic", things=(1,))
SETTINGS = TrainingSettings(
    epochs=2, batch=4, seed=3, device="cpu", augment=AugmentSettings(cutmix=0.5)
)


@pytest.fixture(scope="module")
def finished(objects, tmp_path_factory):
    out = tmp_path_factory.mktemp("runs") / "panoptic"
    return out, train(objects, CONFIG, SETTINGS, out)


def test_a_run_keeps_pq_beside_miou(finished):
    out, best = finished
    rows = list(csv.DictReader((out / "history.csv").read_text().splitlines()))
    assert all(0 <= float(row["val_pq"]) <= 1 for row in rows)
    assert best.metrics["val_pq"] == max(float(row["val_pq"]) for row in rows)
    assert set(best.training["val_pq"]) == {"ground", "square"}
    assert best.task == best.network.task == best.training["run"]["task"] == "panoptic"
    assert (out / "predictions.png").stat().st_size > 0


def test_the_best_checkpoint_answers_with_objects_and_carries_true_ones(finished):
    out, best = finished
    truth = held_out_segments(best)
    assert len(truth) == 4
    assert [sorted(segments.label.tolist()) for segments in truth] == [[0, 1, 1]] * 4
    network = load_network(out / "best.pt")
    image = np.zeros((1, 32, 32, 3), np.uint8)
    answer = network.segment(image)
    assert answer.spec.task == "panoptic"
    assert answer.instances.score.shape == (32,)
    np.testing.assert_array_equal(network.predict(image)[0], answer.labels)


def test_a_resumed_run_equals_an_uninterrupted_one(finished, objects, tmp_path):
    asked = iter([False] * (12 + 3))  # for each image that is read, then after each step
    with pytest.raises(TrainingInterrupted):
        train(objects, CONFIG, SETTINGS, tmp_path / "run", stop=lambda: next(asked, True))
    train(objects, CONFIG, SETTINGS, tmp_path / "run", resume=True)
    first, second = (load_checkpoint(run / "last.pt") for run in (finished[0], tmp_path / "run"))
    for key, value in first.weights.items():
        assert torch.equal(value, second.weights[key]), key
    assert first.resume["best_score"] == second.resume["best_score"]


def test_it_learns_to_tell_objects_apart(objects, tmp_path):
    settings = replace(
        SETTINGS,
        epochs=40,
        learning_rate=2e-2,
        ema_decay=0.9,
        samples=False,
        augment=AugmentSettings(scale=(0.9, 1.0), rotation_deg=0.0, cutmix=0.0),
    )
    best = train(objects, replace(CONFIG, dropout=0.0), settings, tmp_path / "run")
    assert best.metrics["val_pq"] > 0.6
    assert best.training["val_pq"]["square"] > 0.5


def test_the_instance_task_is_judged_by_things_alone(objects, tmp_path):
    config = replace(CONFIG, task="instance")
    best = train(objects, config, replace(SETTINGS, epochs=1), tmp_path / "run")
    assert best.task == "instance"
    assert best.metrics["val_pq"] == best.training["val_pq"]["square"]


def test_data_without_instances_are_refused(squares, write_objects, tmp_path):
    with pytest.raises(UsageError, match=r"things of the network are \(1,\), of squares \(\)"):
        train(squares, CONFIG, SETTINGS, tmp_path / "run")
    (tmp_path / "data").mkdir()
    root = write_objects(tmp_path / "data" / "plain")
    (root / "instances").rename(tmp_path / "away")
    with pytest.raises(DataError, match="enough for semantic, not for panoptic"):
        train(open_dataset(root), CONFIG, SETTINGS, tmp_path / "run")


def test_data_without_a_background_are_refused(objects, tmp_path):
    only = replace(objects, classes=(replace_thing(objects.classes[0]), objects.classes[1]))
    with pytest.raises(DataError, match="add a class for the background"):
        train(only, replace(CONFIG, things=(0, 1)), SETTINGS, tmp_path / "run")


def replace_thing(info):
    return type(info)(info.name, info.color, True)


def test_the_commands_train_and_evaluate(objects, tmp_path, capsys):
    out = tmp_path / "run"
    words = ["--size", "n", "--height", "32", "--width", "32", "--batch", "4", "--epochs", "1"]
    words += ["--data", str(objects.root), "--task", "instance", "--out", str(out)]
    assert run_command(["train", *words]) == 0
    said = capsys.readouterr()
    assert "val PQ" in said.err
    assert "PQ of things" in said.out
    words = ["--data", str(objects.root), "--split", "val"]
    assert run_command(["evaluate", str(out / "best.pt"), *words]) == 0
    assert "AP" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"task": "depth"}, "unknown task 'depth'; available: semantic, instance, panoptic"),
        ({"task": "semantic"}, "a network for the task 'semantic' has no things"),
        ({"things": ()}, "a network for the task 'panoptic' needs classes that are things"),
        ({"things": (2,)}, "things are classes from 0 to 1, ascending, got"),
        ({"things": (1, 0)}, "things are classes from 0 to 1, ascending, got"),
    ],
)
def test_wrong_configurations(changes, message):
    with pytest.raises(UsageError, match=message):
        replace(CONFIG, **changes)


def test_a_checkpoint_whose_task_is_not_its_networks_is_refused(finished, tmp_path):
    content = torch.load(finished[0] / "best.pt", weights_only=True)
    torch.save(content | {"task": "semantic"}, tmp_path / "odd.pt")
    with pytest.raises(CheckpointError, match="its network is not one for its task, 'semantic'"):
        load_checkpoint(tmp_path / "odd.pt")


def test_a_history_from_before_pq_is_read():
    row = dict(epoch=1, loss=1.0, val_miou=0.5, val_pixel_accuracy=0.5, lr=0.1, seconds=1.0)
    found = to_rows([row | {"images_per_second": 2.0}])[0]
    assert math.isnan(found.val_pq)
    assert (found.score, found.score_name) == (0.5, "mIoU")
    better = EpochRow(**row, images_per_second=2.0, val_pq=0.25)
    assert (better.score, better.score_name) == (0.25, "PQ")
