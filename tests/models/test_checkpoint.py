import pickle
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from maskattn_edge.contract.classes import numbered_classes
from maskattn_edge.contract.errors import CheckpointError
from maskattn_edge.contract.spec import InputSpec
from maskattn_models.checkpoint import (
    Checkpoint,
    Samples,
    calibration_images,
    held_out_images,
    load_checkpoint,
    load_network,
    pack_samples,
    save_checkpoint,
)
from maskattn_models.network import NetworkConfig, build_network

CONFIG = NetworkConfig(classes=3, size="n", height=32, width=48)


def pictures(count, seed=0):
    rng = np.random.default_rng(seed)
    return [
        (
            rng.integers(0, 256, (32, 48, 3), np.uint8),
            rng.integers(0, 3, (32, 48), np.uint8),
        )
        for _ in range(count)
    ]


@pytest.fixture
def checkpoint():
    torch.manual_seed(0)
    return Checkpoint(
        network=CONFIG,
        weights=build_network(CONFIG).state_dict(),
        classes=numbered_classes(3),
        input=InputSpec(height=32, width=48),
        training={"data": "squares", "seed": 7, "epochs": 2},
        metrics={"val_miou": 0.5},
        history=[{"epoch": 1, "loss": 0.25}],
        samples=pack_samples([image for image, _ in pictures(2)], pictures(1)),
        resume={"step": 3, "generator": torch.Generator().get_state()},
    )


@pytest.fixture
def saved(checkpoint, tmp_path):
    path = tmp_path / "best.pt"
    save_checkpoint(path, checkpoint)
    return path


def edited(path, **changes):
    content = torch.load(path, weights_only=True)
    content.update(changes)
    torch.save(content, path)
    return path


def test_everything_comes_back(checkpoint, saved):
    read = load_checkpoint(saved)
    assert len(read.sha256) == 64
    for name in ("network", "classes", "input", "task", "training", "metrics", "history"):
        assert getattr(read, name) == getattr(checkpoint, name)
    assert read.samples == checkpoint.samples
    assert read.resume["step"] == 3
    assert list(read.weights) == list(checkpoint.weights)
    for name, value in read.weights.items():
        torch.testing.assert_close(value, checkpoint.weights[name], rtol=0, atol=0)


@pytest.mark.parametrize(("masked", "attention"), [(True, "masked"), (False, "plain")])
def test_a_checkpoint_of_before_attention_had_a_name(checkpoint, tmp_path, masked, attention):
    path = tmp_path / "old.pt"
    config = replace(CONFIG, attention=attention)
    weights = build_network(config).state_dict()
    save_checkpoint(path, replace(checkpoint, network=config, weights=weights))
    named = torch.load(path, weights_only=True)["network"]
    del named["attention"]
    read = load_checkpoint(edited(path, network={**named, "masked": masked}))
    assert read.network == config
    assert read.build().attention3.masked == masked


def test_samples_come_back_exactly(saved):
    read = load_checkpoint(saved)
    for image, (truth, _) in zip(calibration_images(read), pictures(2), strict=True):
        np.testing.assert_array_equal(image, truth)
    ((image, labels),) = held_out_images(read)
    np.testing.assert_array_equal(image, pictures(1)[0][0])
    np.testing.assert_array_equal(labels, pictures(1)[0][1])


def test_a_checkpoint_without_samples(checkpoint, tmp_path):
    save_checkpoint(tmp_path / "bare.pt", replace(checkpoint, samples=Samples()))
    assert load_checkpoint(tmp_path / "bare.pt").samples == Samples()


def test_a_loaded_network_labels_images(saved):
    network = load_network(saved)
    labels = network.predict(np.zeros((2, 32, 48, 3), np.uint8))
    assert labels.shape == (2, 32, 48)
    assert labels.dtype == np.uint8
    assert network.classes == numbered_classes(3)
    assert network.input.width == 48


class Hostile:
    def __init__(self, target):
        self.target = target

    def __reduce__(self):
        return Path.touch, (self.target,)


def test_a_hostile_file_runs_nothing(tmp_path):
    touched, path = tmp_path / "touched", tmp_path / "hostile.pt"
    torch.save({"format": Hostile(touched)}, path)
    with pytest.raises(CheckpointError, match="hostile.pt: it holds Python objects that would run"):
        load_checkpoint(path)
    assert not touched.exists()


def test_the_hostile_file_would_have_run(tmp_path):
    pickle.loads(pickle.dumps(Hostile(tmp_path / "touched")))
    assert (tmp_path / "touched").exists()


@pytest.mark.parametrize("kept", [0, 10, 2000, -100])
def test_a_truncated_file(saved, kept):
    saved.write_bytes(saved.read_bytes()[:kept])
    with pytest.raises(CheckpointError, match=r"best.pt: not a complete PyTorch checkpoint"):
        load_checkpoint(saved)


def test_a_missing_file(tmp_path):
    with pytest.raises(CheckpointError, match=r"gone.pt: no such file"):
        load_checkpoint(tmp_path / "gone.pt")


@pytest.mark.parametrize("content", [{"weight": torch.zeros(2)}, [1, 2], torch.zeros(3)])
def test_a_foreign_file(tmp_path, content):
    torch.save(content, tmp_path / "foreign.pt")
    with pytest.raises(CheckpointError, match=r"foreign.pt: it is not a checkpoint of this tool"):
        load_checkpoint(tmp_path / "foreign.pt")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"version": 99}, "it has version 99, this release reads 1"),
        ({"network": {"classes": 3, "size": "xl"}}, "content is damaged: unknown size 'xl'"),
        ({"network": {"klasses": 3}}, "content is damaged: .*klasses"),
        ({"classes": [{"name": "a", "color": [0, 0, 0]}]}, "names 1 classes for a network of 3"),
        ({"classes": "abc"}, "content is damaged: Expected `array`"),
        ({"input": {"height": 1, "width": 48}}, "content is damaged"),
        ({"samples": {}}, "content is damaged"),
        ({"training": None}, "content is damaged"),
    ],
)
def test_a_damaged_content(saved, changes, message):
    with pytest.raises(CheckpointError, match=f"best.pt: .*{message}"):
        load_checkpoint(edited(saved, **changes))


def test_too_many_samples(saved):
    samples = torch.load(saved, weights_only=True)["samples"]
    samples["calibration"]["lengths"] = [1] * 129
    with pytest.raises(CheckpointError, match="samples break the limits"):
        load_checkpoint(edited(saved, samples=samples))


def test_samples_that_reach_beyond_their_bytes(saved):
    samples = torch.load(saved, weights_only=True)["samples"]
    samples["calibration"]["lengths"][0] += 10**6
    with pytest.raises(CheckpointError, match="samples are incomplete"):
        load_checkpoint(edited(saved, samples=samples))


def test_samples_of_another_size(checkpoint, tmp_path):
    other = pack_samples([np.zeros((16, 16, 3), np.uint8)], [])
    save_checkpoint(tmp_path / "odd.pt", replace(checkpoint, samples=other))
    with pytest.raises(CheckpointError, match="samples are damaged: .*32x48"):
        calibration_images(load_checkpoint(tmp_path / "odd.pt"))


@pytest.mark.parametrize("shape", [(2, 2), ()])
def test_weights_of_another_shape(saved, shape):
    weights = torch.load(saved, weights_only=True)["weights"]
    weights["head.weight"] = torch.zeros(shape)
    with pytest.raises(CheckpointError, match=r"best.pt: its weights do not fit .*head.weight"):
        load_network(edited(saved, weights=weights))


def test_missing_weights(saved):
    weights = torch.load(saved, weights_only=True)["weights"]
    del weights["head.bias"]
    with pytest.raises(CheckpointError, match=r"weights do not fit .*head.bias"):
        load_network(edited(saved, weights=weights))


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (OSError(28, "No space left on device"), "No space left on device"),
        (RuntimeError("[enforce fail at inline_container.cc:671] ."), "the disk is full"),
    ],
)
def test_a_failed_write_leaves_the_former_file(checkpoint, saved, monkeypatch, error, reason):
    before = saved.read_bytes()

    def full(content, path):
        Path(path).write_bytes(b"half")
        raise error

    monkeypatch.setattr(torch, "save", full)
    with pytest.raises(CheckpointError, match=rf"cannot write the checkpoint \({reason}\)"):
        save_checkpoint(saved, checkpoint)
    assert saved.read_bytes() == before
    assert list(saved.parent.iterdir()) == [saved]
