import csv
import os
import shutil
import signal
import subprocess
import sys
import textwrap
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from maskattn_edge.contract.errors import CheckpointError, DataError, TrainingError, UsageError
from maskattn_models import training
from maskattn_models.checkpoint import calibration_images, held_out_images, load_checkpoint
from maskattn_models.data import open_dataset
from maskattn_models.network import NetworkConfig
from maskattn_models.training import Observer, TrainingInterrupted, TrainingSettings, train
from maskattn_models.training.commit import commit_of
from maskattn_models.training.schedule import learning_rate
from maskattn_models.training.validation import Validation

SETTINGS = TrainingSettings(epochs=3, batch=4, seed=3, device="cpu")


class Notes(Observer):
    def __init__(self):
        self.rows, self.steps, self.start = [], [], None

    def started(self, *, epoch, epochs, steps, device):
        self.start = (epoch, epochs, steps, device)

    def stepped(self, *, epoch, step, loss, images_per_second):
        self.steps.append((epoch, step))

    def validated(self, row, *, best):
        self.rows.append((row, best))


@pytest.fixture(scope="module")
def finished(squares, tmp_path_factory):
    """A run of three epochs that nothing interrupted."""
    out = tmp_path_factory.mktemp("runs") / "full"
    config = NetworkConfig(classes=2, size="n", height=32, width=32, attention="masked")
    notes = Notes()
    best = train(squares, config, SETTINGS, out, observer=notes)
    return out, best, notes


def assert_same_run(one, other):
    for name in ("last.pt", "best.pt"):
        first, second = load_checkpoint(one / name), load_checkpoint(other / name)
        for key, value in first.weights.items():
            assert torch.equal(value, second.weights[key]), f"{name}: {key}"
        assert first.metrics == second.metrics
        assert [row["loss"] for row in first.history] == [row["loss"] for row in second.history]
    first, second = (load_checkpoint(run / "last.pt").resume for run in (one, other))
    for key, value in first["weights"].items():
        assert torch.equal(value, second["weights"][key]), key
    for index, state in first["optimizer"]["state"].items():
        for key, value in state.items():
            assert torch.equal(value, second["optimizer"]["state"][index][key]), key
    assert torch.equal(first["generator"], second["generator"])
    assert torch.equal(first["torch_random"], second["torch_random"])


def stop_after(steps):
    """A `stop` that is true once it was asked `steps` times in training."""
    left = iter([False] * (steps - 1) + [True])
    return lambda: next(left)


ASKED_WHILE_LOADING = 12


def test_a_run_writes_all_its_files(finished):
    out, best, notes = finished
    assert {path.name for path in out.iterdir()} == {
        "best.pt", "last.pt", "history.csv", "curves.png", "predictions.png", "masks.png",
    }  # fmt: skip
    for name in ("curves.png", "predictions.png", "masks.png"):
        assert cv2.imread(str(out / name)).std() > 1
    rows = list(csv.DictReader((out / "history.csv").read_text().splitlines()))
    assert [row["epoch"] for row in rows] == ["1", "2", "3"]
    assert notes.start == (0, 3, 2, "cpu")
    assert notes.steps == [(epoch, step) for epoch in (1, 2, 3) for step in (1, 2)]
    assert [row.epoch for row, _ in notes.rows] == [1, 2, 3]
    assert best.metrics["val_miou"] == max(row.val_miou for row, _ in notes.rows)


def test_what_the_best_checkpoint_holds(finished, squares):
    out, best, _ = finished
    assert best.resume is None
    assert best.training["data"] == "squares"
    assert len(best.training["data_sha256"]) == 64
    assert best.training["seed"] == 3
    assert best.training["settings"]["batch"] == 4
    assert set(best.training["versions"]) == {"maskattn_edge", "torch", "numpy", "python"}
    assert best.training["performance"]["images_per_second"] > 0
    assert best.training["performance"]["peak_memory_bytes"] is None
    assert best.training["performance"]["graph"] is False
    assert best.training["commit"] == commit_of(Path(training.__file__))
    assert set(best.training["val_iou"]) == {"ground", "square"}
    assert best.training["epochs"] == best.history[-1]["epoch"]
    assert len(calibration_images(best)) == 8
    assert len(held_out_images(best)) == 4
    assert (out / "best.pt").stat().st_size < 0.6 * (out / "last.pt").stat().st_size


def test_the_same_seed_gives_the_same_weights(finished, squares, tiny, tmp_path):
    torch.rand(5)  # whatever happened to the global numbers before
    train(squares, tiny, SETTINGS, tmp_path / "again")
    assert_same_run(finished[0], tmp_path / "again")


def test_another_seed_gives_others(finished, squares, tiny, tmp_path):
    other = train(squares, tiny, replace(SETTINGS, epochs=1, seed=4), tmp_path / "other")
    assert not torch.equal(other.weights["head.weight"], finished[1].weights["head.weight"])


@pytest.mark.parametrize("steps", [1, 2, 3, 4])
def test_a_resumed_run_equals_an_uninterrupted_one(finished, squares, tiny, tmp_path, steps):
    out = tmp_path / "run"
    with pytest.raises(TrainingInterrupted, match="go on with --resume"):
        train(squares, tiny, SETTINGS, out, stop=stop_after(ASKED_WHILE_LOADING + steps))
    assert load_checkpoint(out / "last.pt").training["epochs"] == (steps - 1) // 2
    torch.rand(5)
    train(squares, tiny, SETTINGS, out, resume=True)
    assert_same_run(finished[0], out)


def test_training_leaves_the_callers_random_numbers_alone(squares, tiny, tmp_path):
    torch.manual_seed(1)
    train(squares, tiny, replace(SETTINGS, epochs=1), tmp_path / "run")
    after = torch.rand(1)
    torch.manual_seed(1)
    assert torch.equal(after, torch.rand(1))


def test_resuming_a_finished_run_changes_nothing(squares, tiny, tmp_path):
    settings, out = replace(SETTINGS, epochs=1), tmp_path / "run"
    first = train(squares, tiny, settings, out)
    assert train(squares, tiny, settings, out, resume=True).sha256 == first.sha256


def test_a_run_is_not_overwritten(finished, squares, tiny):
    with pytest.raises(UsageError, match="holds a training run: go on with --resume, or choose"):
        train(squares, tiny, SETTINGS, finished[0])


def test_there_must_be_a_run_to_resume(squares, tiny, tmp_path):
    with pytest.raises(UsageError, match=r"last.pt: no such file, so there is no run to resume"):
        train(squares, tiny, SETTINGS, tmp_path, resume=True)


def test_the_best_checkpoint_is_no_run_to_resume(finished, squares, tiny, tmp_path):
    (tmp_path / "last.pt").write_bytes((finished[0] / "best.pt").read_bytes())
    with pytest.raises(UsageError, match="holds no state of a run"):
        train(squares, tiny, SETTINGS, tmp_path, resume=True)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"batch": 2}, "run to resume has batch 4, this command 2: repeat"),
        ({"epochs": 2}, "has epochs 3, this command 2"),
        ({"resize": "letterbox"}, "has resize 'stretch', this command 'letterbox'"),
    ],
)
def test_resuming_with_other_settings(finished, squares, tiny, changes, message):
    with pytest.raises(UsageError, match=message):
        train(squares, tiny, replace(SETTINGS, **changes), finished[0], resume=True)


def test_a_finished_run_goes_on_for_longer(finished, squares, tiny, tmp_path):
    out = tmp_path / "run"
    shutil.copytree(finished[0], out)
    notes, longer = Notes(), replace(SETTINGS, epochs=6)
    best = train(squares, tiny, longer, out, resume=True, observer=notes)
    assert [row.epoch for row, _ in notes.rows] == [4, 5, 6]
    # Two steps an epoch: step 8 of 12 is the last of epoch 4, and warm-up is one step.
    expected = learning_rate(
        torch.tensor(7), peak=SETTINGS.peak_learning_rate, warmup_steps=1, total_steps=12
    )
    assert notes.rows[0][0].lr == pytest.approx(float(expected))
    assert notes.rows[0][0].lr > 5 * finished[2].rows[-1][0].lr
    last = load_checkpoint(out / "last.pt")
    assert last.resume["schedules"] == [[0, 3], [3, 6]]
    assert last.training["settings"]["epochs"] == 6
    assert best.metrics["val_miou"] >= finished[1].metrics["val_miou"]


def test_what_a_killed_run_left_is_removed(squares, tiny, tmp_path):
    settings, out = replace(SETTINGS, epochs=1), tmp_path / "run"
    out.mkdir()
    (out / ".last.abc.tmp.pt").write_bytes(b"half")
    (out / ".others.tmp.pt").write_bytes(b"not ours")
    train(squares, tiny, settings, out)
    assert {path.name for path in out.iterdir() if path.name[0] == "."} == {".others.tmp.pt"}


def test_resuming_with_another_network(finished, squares):
    other = NetworkConfig(classes=2, size="s", height=32, width=32)
    with pytest.raises(UsageError, match="has size 'n', this command 's'"):
        train(squares, other, SETTINGS, finished[0], resume=True)


def copy_of(dataset, root):
    for sample in (*dataset.splits["train"], *dataset.splits["val"]):
        for path in (sample.image, sample.mask):
            target = root / path.relative_to(dataset.root)
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(path.read_bytes())
    (root / "classes.json").write_bytes((dataset.root / "classes.json").read_bytes())
    return root


def test_resuming_with_other_data(finished, squares, tiny, tmp_path):
    root = copy_of(squares, tmp_path / "squares")
    cv2.imwrite(str(root / "images/train/0.png"), np.zeros((48, 48, 3), np.uint8))
    with pytest.raises(UsageError, match="run to resume has training data"):
        train(open_dataset(root), tiny, SETTINGS, finished[0], resume=True)


def test_the_best_file_must_be_there_to_resume(finished, squares, tiny, tmp_path):
    (tmp_path / "last.pt").write_bytes((finished[0] / "last.pt").read_bytes())
    with pytest.raises(CheckpointError, match=r"best.pt: no such file, though epoch \d was"):
        train(squares, tiny, SETTINGS, tmp_path, resume=True)


def test_a_damaged_state_is_refused(finished, squares, tiny, tmp_path):
    content = torch.load(finished[0] / "last.pt", weights_only=True)
    del content["resume"]["weights"]["head.bias"]
    torch.save(content, tmp_path / "last.pt")
    with pytest.raises(CheckpointError, match="state of the run is damaged"):
        train(squares, tiny, SETTINGS, tmp_path, resume=True)


def test_a_loss_that_is_not_finite_ends_the_run(squares, tiny, tmp_path, monkeypatch):
    from maskattn_models.training import step

    real, calls = step.enlarged_segmentation_loss, []

    def broken(*args, **kwargs):
        calls.append(1)
        return real(*args, **kwargs) * (float("nan") if len(calls) == 4 else 1)

    monkeypatch.setattr(step, "enlarged_segmentation_loss", broken)
    with pytest.raises(TrainingError, match="loss is nan in step 2 of epoch 2: lower the learning"):
        train(squares, tiny, SETTINGS, tmp_path / "run")
    kept = load_checkpoint(tmp_path / "run" / "last.pt")
    assert kept.training["epochs"] == 1
    assert all(value.isfinite().all() for value in kept.weights.values())
    assert (tmp_path / "run" / "best.pt").exists()


def test_weights_that_are_not_finite_are_not_saved(squares, tiny, tmp_path, monkeypatch):
    def broken(self):
        for group in self.param_groups:
            for value in group["params"]:
                value.data.fill_(float("inf"))

    monkeypatch.setattr(torch.optim.AdamW, "step", broken)
    settings = replace(SETTINGS, batch=8)  # one step an epoch: its own loss is still finite
    with pytest.raises(TrainingError, match="weights are no longer finite after epoch 1"):
        train(squares, tiny, settings, tmp_path / "run")
    kept = load_checkpoint(tmp_path / "run" / "last.pt")
    assert all(value.isfinite().all() for value in kept.weights.values())


def test_data_without_labels_is_refused(squares, tiny, tmp_path):
    root = copy_of(squares, tmp_path / "void")
    for mask in (root / "masks" / "val").iterdir():
        cv2.imwrite(str(mask), np.full((48, 48), 255, np.uint8))
    with pytest.raises(DataError, match="no pixel of the split 'val' is labelled"):
        train(open_dataset(root), tiny, SETTINGS, tmp_path / "run")


def test_the_network_must_have_the_datas_classes(squares, tmp_path):
    config = NetworkConfig(classes=5, size="n", height=32, width=32)
    with pytest.raises(UsageError, match="network has 5 classes, squares has 2"):
        train(squares, config, SETTINGS, tmp_path)


def test_patience_ends_a_run_that_gets_no_better(squares, tiny, tmp_path, monkeypatch):
    from maskattn_models.training import loop

    level = Validation(confusion=np.array([[3, 1], [1, 3]], np.int64))
    monkeypatch.setattr(loop, "validate", lambda *args, **kwargs: level)
    notes = Notes()
    settings = replace(SETTINGS, epochs=9, patience=2)
    best = train(squares, tiny, settings, tmp_path / "run", observer=notes)
    assert [(row.epoch, best) for row, best in notes.rows] == [(1, True), (2, False), (3, False)]
    assert best.training["epochs"] == 1


def test_a_run_without_samples(squares, tiny, tmp_path):
    settings = replace(SETTINGS, epochs=1, samples=False, resize="letterbox")
    best = train(squares, tiny, settings, tmp_path / "run")
    assert best.samples.calibration == ()
    assert best.samples.held_out == ()
    assert best.input.resize == "letterbox"


def test_equal_class_weights_and_half_precision_train_too(squares, tiny, tmp_path):
    settings = replace(SETTINGS, epochs=1, class_weights="equal", precision="bf16")
    assert train(squares, tiny, settings, tmp_path / "run").metrics["val_miou"] >= 0


def test_it_learns(squares, tiny, tmp_path):
    settings = replace(SETTINGS, epochs=40, learning_rate=1e-2)
    assert train(squares, tiny, settings, tmp_path / "run").metrics["val_miou"] > 0.9


SCRIPT = """
    import sys
    from pathlib import Path
    from maskattn_edge.contract.errors import MaskAttnError
    from maskattn_models.data import open_dataset
    from maskattn_models.network import NetworkConfig
    from maskattn_models.training import Observer, TrainingSettings, stop_on_signal, train

    class Tell(Observer):
        def validated(self, row, *, best):
            print(row.epoch, flush=True)

    config = NetworkConfig(classes=2, size="n", height=32, width=32)
    settings = TrainingSettings(epochs=100000, batch=4, device="cpu")
    try:
        with stop_on_signal() as stop:
            train(open_dataset(Path(sys.argv[1])), config, settings, Path(sys.argv[2]),
                  observer=Tell(), stop=stop)
    except MaskAttnError as error:
        print(error, file=sys.stderr)
        sys.exit(error.exit_code)
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_a_run_with_complete_files(squares, tmp_path, number):
    out = tmp_path / "run"
    process = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(SCRIPT), str(squares.root), str(out)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
    )
    assert process.stdout.readline() == "1\n", process.stderr.read()
    process.send_signal(number)
    _, told = process.communicate(timeout=30)
    assert process.returncode == 130
    assert "go on with --resume" in told
    assert "Traceback" not in told
    assert load_checkpoint(out / "last.pt").training["epochs"] >= 1
    assert load_checkpoint(out / "best.pt").build()
    assert not [path for path in out.iterdir() if ".tmp" in path.name]
