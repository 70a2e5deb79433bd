"""The instance-contrastive loss in training, and the head that it alone needs."""

import sys
from dataclasses import replace

import pytest
import torch

from maskattn_edge.cli.app import run_command
from maskattn_edge.contract.errors import CheckpointError, UsageError
from maskattn_models.checkpoint import load_checkpoint, load_network
from maskattn_models.network import NetworkConfig, build_network
from maskattn_models.training import AugmentSettings, TrainingInterrupted, TrainingSettings, train
from maskattn_models.training.contrastive import (
    EMBEDDED,
    check_contrastive,
    instance_contrastive_loss,
)
from maskattn_models.training.graph import warm_up
from maskattn_models.training.object_targets import SLOTS, cell_instances
from maskattn_models.training.state import new_state

CONFIG = NetworkConfig(
    classes=2, size="n", height=32, width=32, task="panoptic", things=(1,), dropout=0.0
)
SETTINGS = TrainingSettings(
    epochs=2, batch=4, seed=3, device="cpu", contrastive_weight=0.5, samples=False
)
STILL = AugmentSettings(
    scale=(1.0, 1.0), aspect=0.0, rotation_deg=0.0, flip=0.0, brightness=0.0, contrast=0.0,
    color=0.0, gamma=0.0, grey=0.0, sharpness=0.0, noise=0.0,
    cutmix=0.0,
)  # fmt: skip
CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def finished(objects, tmp_path_factory):
    out = tmp_path_factory.mktemp("embedding") / "run"
    return out, train(objects, CONFIG, SETTINGS, out)


def test_the_head_is_kept_to_go_on_and_dropped_from_what_is_exported(finished):
    out, best = finished
    network = build_network(CONFIG)
    assert best.weights.keys() == network.state_dict().keys()
    assert best.resume is None
    assert load_network(out / "best.pt").module.network.load_state_dict(dict(best.weights))
    last = load_checkpoint(out / "last.pt")
    assert last.weights.keys() == best.weights.keys()
    shape = last.resume["embedding"]["weight"].shape
    assert shape == (EMBEDDED, network.head.in_channels, 1, 1)
    fresh = new_state(CONFIG, SETTINGS, CPU).embedding
    assert not torch.equal(last.resume["embedding"]["weight"], fresh.weight)  # it has learned


def test_a_resumed_run_equals_an_uninterrupted_one(finished, objects, tmp_path):
    asked = iter([False] * (12 + 3))  # for each image that is read, then after each step
    with pytest.raises(TrainingInterrupted):
        train(objects, CONFIG, SETTINGS, tmp_path / "run", stop=lambda: next(asked, True))
    assert load_checkpoint(tmp_path / "run" / "last.pt").training["epochs"] == 1
    train(objects, CONFIG, SETTINGS, tmp_path / "run", resume=True)
    first, second = (load_checkpoint(run / "last.pt") for run in (finished[0], tmp_path / "run"))
    for part in ("weights", "embedding"):
        for name, value in first.resume[part].items():
            assert torch.equal(value, second.resume[part][name]), name
    for name, value in first.weights.items():
        assert torch.equal(value, second.weights[name]), name


def test_a_run_is_not_resumed_with_another_weight_or_without_its_head(finished, objects, tmp_path):
    with pytest.raises(UsageError, match="has contrastive weight 0.5, this command 0.0"):
        train(objects, CONFIG, replace(SETTINGS, contrastive_weight=0.0), finished[0], resume=True)
    content = torch.load(finished[0] / "last.pt", weights_only=True)
    del content["resume"]["embedding"]
    (tmp_path / "run").mkdir()
    torch.save(content, tmp_path / "run" / "last.pt")
    with pytest.raises(CheckpointError, match="its state of the run is damaged"):
        train(objects, CONFIG, SETTINGS, tmp_path / "run", resume=True)


def test_the_loss_counts_by_its_weight(objects, tmp_path):
    def loss_of_first_step(weight):
        settings = replace(SETTINGS, epochs=1, batch=8, contrastive_weight=weight)
        return train(objects, CONFIG, settings, tmp_path / str(weight)).history[0]["loss"]

    without, once, twice = (loss_of_first_step(weight) for weight in (0.0, 1.0, 2.0))
    assert once > without + 0.1
    assert twice - once == pytest.approx(once - without, rel=1e-3)


def test_without_it_there_is_no_head_and_with_it_the_network_begins_the_same():
    plain = new_state(CONFIG, replace(SETTINGS, contrastive_weight=0.0), CPU)
    state = new_state(CONFIG, SETTINGS, CPU)
    assert plain.embedding is None
    assert plain.capture()["embedding"] is None
    for name, value in plain.network.state_dict().items():
        assert torch.equal(value, state.network.state_dict()[name]), name
    assert "embedding" not in "".join(state.average.network.state_dict())


def test_embeddings_of_instances_come_apart(stepping, objects_store):
    settings = replace(
        stepping.settings, epochs=40, learning_rate=1e-2, contrastive_weight=1.0, augment=STILL
    )
    step, batches, order = stepping.make(
        settings=settings, config=replace(CONFIG, height=48, width=48), store=objects_store
    )
    batch = batches.batch(step.position)

    @torch.no_grad()
    def loss():
        normal = (batch.images.float().permute(0, 3, 1, 2) - 110) / 57
        embeddings = step.state.embedding(step.state.network.decode(normal))
        return instance_contrastive_loss(
            embeddings, cell_instances(batch, scale=2), most=SLOTS - 1
        ).item()

    before = loss()
    for _ in range(20):
        step.restart()
        stepping.run(step, batches, order.steps)
    assert loss() < 0.2 * before


def test_steps_to_warm_up_leave_no_trace_in_the_head(stepping, objects_store):
    settings = replace(stepping.settings, contrastive_weight=0.5)
    step, _, _ = stepping.make(
        settings=settings, config=stepping.objects_config, store=objects_store
    )
    kept = stepping.everything(step)
    step()
    changed = stepping.everything(step)
    assert not torch.equal(changed["trained 1.weight"], kept["trained 1.weight"])
    warm_up(step)
    for name, value in stepping.everything(step).items():
        assert torch.equal(value, changed[name]), name


def test_a_task_without_instances_is_refused_before_the_data_are_read(
    squares, tiny, tmp_path, monkeypatch
):
    monkeypatch.setattr(sys.modules[train.__module__], "load_splits", pytest.fail)
    with pytest.raises(UsageError, match="needs instances, which the task 'semantic' has not"):
        train(squares, tiny, SETTINGS, tmp_path / "run")
    assert not (tmp_path / "run").exists()
    before = torch.get_rng_state()
    check_contrastive(CONFIG, 0.5)
    check_contrastive(tiny, 0.0)
    assert torch.equal(torch.get_rng_state(), before)


def test_the_command(objects, tmp_path, capsys):
    out = tmp_path / "run"
    words = ["--size", "n", "--height", "32", "--width", "32", "--batch", "8", "--epochs", "1"]
    words += ["--data", str(objects.root), "--task", "panoptic", "--out", str(out)]
    assert run_command(["train", *words, "--contrastive", "0.1"]) == 0
    assert load_checkpoint(out / "best.pt").training["settings"]["contrastive_weight"] == 0.1
    words = ["--data", str(objects.root), "--split", "val"]
    assert run_command(["evaluate", str(out / "best.pt"), *words]) == 0
    assert "PQ" in capsys.readouterr().out
