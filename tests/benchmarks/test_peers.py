"""Peers: PyTorch's engines beside ONNX Runtime, and the one command that compares them all."""

import numpy as np
import pytest

from maskattn_benchmarks.peers import __main__ as command
from maskattn_benchmarks.peers.table import ENGINES, open_candidate
from maskattn_benchmarks.results import read_results
from maskattn_edge.contract.errors import ModelFileError, UsageError
from maskattn_edge.contract.model_file import read_model_file
from maskattn_export.peers import write_peer

SOURCE = "synthetic://?frames=2&width=64&height=48"


@pytest.fixture(scope="module")
def peer(tmp_path_factory):
    path = tmp_path_factory.mktemp("peer") / "unet.onnx"
    write_peer("plain-unet", path, classes=40, side=32, program=True)
    return read_model_file(path)


def test_pytorch_gives_the_labels_of_the_model_file(peer):
    image = np.random.default_rng(0).integers(0, 256, (1, 32, 32, 3), np.uint8)
    labels = {}
    for name in ("onnxruntime", "pytorch"):
        with open_candidate(peer, name, threads=1) as engine:
            labels[name] = engine.infer(image).labels
            engine.measure_gpu()
            assert engine.gpu_ms is None or engine.gpu_ms > 0
    assert len(np.unique(labels["pytorch"])) > 1
    assert (labels["pytorch"] == labels["onnxruntime"]).mean() > 0.999


def test_a_damaged_program_is_refused(peer, tmp_path):
    path = tmp_path / "unet.onnx"
    path.write_bytes(peer.data)
    path.with_suffix(".pt2").write_bytes(b"no program")
    with pytest.raises(ModelFileError, match=r"unet\.pt2: PyTorch refuses it"):
        open_candidate(read_model_file(path), "pytorch")


def test_an_unknown_engine_names_all(peer):
    with pytest.raises(UsageError, match=f"available: {', '.join(ENGINES)}"):
        open_candidate(peer, "abacus")


def test_one_command_compares_all(peer, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(command, "RANDOM_PEERS", ("plain-unet",))
    monkeypatch.setattr(command, "_TORCH", ())
    monkeypatch.setattr("maskattn_benchmarks.benchmark.load_at_rest", lambda: 0.0)
    # PyTorch finds no program beside these files: three rows with a reason, and no import of torch.
    words = ["--engine", "onnxruntime", "--engine", "pytorch", "--report", tmp_path, "--source",
             SOURCE, "--frames", 6, "--seconds", 0, "--warmup", 1, "--starts", 1, "--threads", 1,
             "--trained", f"mine={tmp_path / 'unet.onnx'}"]  # fmt: skip
    mine, trained = tmp_path / "ours.onnx", tmp_path / "unet.onnx"
    for path in (mine, trained):
        path.write_bytes(peer.data)
    assert command.main([str(mine), *map(str, words)]) == 1
    report = read_results(tmp_path / "results.json")
    assert [run.name for run in report.runs] == [
        f"{stem}/{engine}" for stem in ("ours", "plain-unet", "unet")
        for engine in ("onnxruntime", "pytorch")
    ]  # fmt: skip
    assert [bool(run.failure) for run in report.runs] == [False, True] * 3
    assert report.settings.interleave
    assert report.runs[2].accuracy_note == "not measured: its weights are random"
    assert read_model_file(tmp_path / "models/plain-unet.onnx").spec.input.height == 32
    html = (tmp_path / "report.html").read_text()
    assert "Accuracy against latency, a bubble for memory" in html
    assert html.count("<title>") == 1 + 3  # the page's, and a bubble of each run that was timed
    assert "report:" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["none.onnx"], "none.onnx"),
        (["x.onnx", "--engine", "abacus"], "unknown engine 'abacus'"),
        (["x.onnx", "--trained", "unet"], "a trained peer is NAME=FILE.onnx, got 'unet'"),
    ],
)
def test_wrong_use_is_one_line(tmp_path, capsys, words, said):
    assert command.main([*words, "--report", str(tmp_path)]) in (1, 2)
    error = capsys.readouterr().err
    assert said in error.splitlines()[-1]
