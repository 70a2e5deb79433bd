"""Peers for speed are model files of the contract, with random weights that a seed decides."""

import numpy as np
import pytest

from maskattn_edge.contract.errors import UsageError
from maskattn_edge.contract.model_file import read_model_file
from maskattn_edge.engines import open_engine
from maskattn_export import peers


@pytest.mark.parametrize(
    ("name", "side"), [("published", 16), ("plain-unet", 32), ("segformer-b0", 32)]
)
def test_a_peer_is_a_model_file_that_runs(tmp_path, name, side):
    path = tmp_path / "peer.onnx"
    words = [name, str(path), "--classes", "4", "--side", str(side)]
    words += ["--fp16"] if name == "plain-unet" else []
    assert peers.main(words) == 0
    file = read_model_file(path)
    assert file.spec.precision.name == ("fp16" if name == "plain-unet" else "fp32")
    assert file.spec.training.data == "none: random weights, for speed and memory only"
    with open_engine(file, backend="onnxruntime") as engine:
        labels = engine.infer(np.zeros((1, side, side, 3), np.uint8)).labels
    assert labels.shape == (side, side)


def test_a_peers_seed_is_its_weights():
    first, again, other = (
        peers.build_peer("plain-unet", classes=2, side=32, seed=seed).head.weight
        for seed in (0, 0, 1)
    )
    assert first.equal(again)
    assert not first.equal(other)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["unknown"], "unknown peer 'unknown'; available: published, plain-unet, segformer-b0"),
        (["published", "--side", "100"], "multiples of 8"),
        (["plain-unet", "--side", "24"], "a multiple of 16 and at least 32 pixels, got 24x24"),
        (["plain-unet", "--classes", "300"], "1 to 255 classes, got 300"),
    ],
)
def test_a_wrong_peer_is_one_line(tmp_path, capsys, words, message):
    assert peers.main([words[0], str(tmp_path / "x.onnx"), *words[1:]]) == UsageError.exit_code
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1
