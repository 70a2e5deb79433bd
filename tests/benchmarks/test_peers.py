"""Peers: PyTorch's engines beside ONNX Runtime, and the one command that compares them all."""

import os
import re
import subprocess

import msgspec
import numpy as np
import pytest

from maskattn_benchmarks.peers import __main__ as command
from maskattn_benchmarks.peers import models
from maskattn_benchmarks.peers.table import ENGINES, open_candidate
from maskattn_benchmarks.results import read_results
from maskattn_edge.contract.errors import ModelFileError, UsageError
from maskattn_edge.contract.model_file import read_model_file, write_model_file
from maskattn_edge.contract.spec import RANDOM_WEIGHTS, TrainingSpec
from maskattn_edge.models import default_model
from maskattn_export import peers as maker
from maskattn_models.network import Deployed

CLASSES, SIDE = 8, 128
SOURCE = "synthetic://?frames=2&width=64&height=48"


@pytest.fixture(scope="module")
def peer(tmp_path_factory):
    """The shipped file as one of random weights: writing a peer's own would take ten seconds."""
    path = tmp_path_factory.mktemp("peer") / "unet.onnx"
    shipped = read_model_file(default_model())
    random = TrainingSpec(data=RANDOM_WEIGHTS, seed=0)
    write_model_file(path, shipped.data, msgspec.structs.replace(shipped.spec, training=random))
    return read_model_file(path)


@pytest.fixture(scope="module")
def network(peer):
    """A peer whose program lies beside that file."""
    from maskattn_export.program import write_program

    network = maker.build_peer("plain-unet", classes=CLASSES, side=SIDE, seed=1)  # its labels vary
    write_program(network, peer.spec.input, peer.path.with_suffix(".pt2"))
    return network


@pytest.fixture
def image():
    return np.random.default_rng(0).integers(0, 256, (1, SIDE, SIDE, 3), np.uint8)


def test_pytorch_gives_the_labels_of_the_network(peer, network, image):
    import torch

    with torch.inference_mode():
        right = Deployed(network)(torch.from_numpy(image)).numpy()[0]
    with open_candidate(peer, "pytorch", threads=1) as engine:
        labels = engine.infer(image).labels
        engine.measure_gpu()
        assert engine.infer(image).labels.dtype == np.uint8
        assert engine.gpu_ms is None or engine.gpu_ms > 0
    assert len(np.unique(labels)) > 1
    assert (labels == right).mean() > 0.999


@pytest.mark.usefixtures("network")
def test_compiling_is_part_of_loading(peer, image, monkeypatch):
    """With a stand-in for the compiler, which takes half a minute of a core."""
    import torch

    compiled = []

    def compile_(program, *, dynamic):
        assert not dynamic

        def first_compiles(image):
            compiled.append(tuple(image.shape))
            return program(image)

        return first_compiles

    monkeypatch.setattr(torch, "compile", compile_)
    with open_candidate(peer, "torch-compile", threads=1) as engine:
        assert compiled == [image.shape]
        assert re.search(r"PyTorch .*, compiled in \d+\.\d s$", engine.device)
        assert engine.infer(image).labels.shape == (SIDE, SIDE)


@pytest.mark.usefixtures("network")
@pytest.mark.skipif("MASKATTN_SLOW" not in os.environ, reason="MASKATTN_SLOW is not set")
def test_compiled_labels_are_those_of_the_program(peer, image):
    with open_candidate(peer, "torch-compile", threads=1) as engine:
        compiled = engine.infer(image).labels
    with open_candidate(peer, "pytorch", threads=1) as engine:
        assert (engine.infer(image).labels == compiled).mean() > 0.999


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
    monkeypatch.setattr(command, "RANDOM_PEERS", ("plain-unet", "segformer-b0"))
    monkeypatch.setattr(command, "write_random_peer", fake_peer(peer))
    monkeypatch.setattr("maskattn_benchmarks.benchmark.load_at_rest", lambda: 0.0)
    trained = tmp_path / "runs" / "best.onnx"  # the stem of the model that it is compared with
    ours = tmp_path / "best.onnx"
    trained.parent.mkdir()
    for path in (ours, trained):
        path.write_bytes(peer.data)
    # No program lies beside any file: rows with a reason, and no import of torch.
    words = ["--engine", "onnxruntime", "--engine", "pytorch", "--report", tmp_path, "--source",
             SOURCE, "--frames", 6, "--block-seconds", 0.001, "--seconds", 0, "--warmup", 1,
             "--starts", 1, "--threads", 1, "--trained", f"segformer-b0={trained}"]  # fmt: skip
    assert command.main([str(ours), *map(str, words)]) == 0
    report = read_results(tmp_path / "results.json")
    assert [run.name for run in report.runs] == [
        f"{name}/{engine}" for name in ("best", "plain-unet", "segformer-b0")
        for engine in ("onnxruntime", "pytorch")
    ]  # fmt: skip
    assert [run.not_run for run in report.runs[1::2]] == [
        f"PyTorch has no program {name}.pt2 beside the file"
        for name in ("best", "plain-unet", "best")
    ]
    assert [(run.failure, len(run.steady)) for run in report.runs] == [("", 6), ("", 0)] * 3
    assert report.settings.interleave
    assert report.runs[2].accuracy_note == "not measured: its weights are random"
    html = (tmp_path / "report.html").read_text()
    assert "Accuracy against latency, a bubble for memory" in html
    assert html.count("<title>") == 1 + 3  # the page's, and a bubble of each run that was timed
    assert "not run: PyTorch has no program best.pt2" in html
    assert "report:" in capsys.readouterr().out


def fake_peer(peer):
    """Writes a known file instead of a peer, which takes ten seconds; the next test writes one."""

    def write(name, path, *, classes, side, program):
        assert (classes, side) == (CLASSES, SIDE)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(peer.data)

    return write


def test_a_random_peer_is_written_by_its_own_package(tmp_path, monkeypatch):
    calls = []

    def run(words, **_):
        calls.append(words)
        return subprocess.CompletedProcess(words, 1, b"", b"first\nerror: no such thing")

    monkeypatch.setattr(models.subprocess, "run", run)
    path = tmp_path / "models" / "plain-unet.onnx"
    with pytest.raises(ModelFileError, match="plain-unet was not written: error: no such thing"):
        models.write_random_peer("plain-unet", path, classes=3, side=32, program=True)
    assert path.parent.is_dir()
    module, *words = calls[0][2:]
    written = []
    monkeypatch.setattr(maker, "write_peer", lambda *words, **named: written.append((words, named)))
    assert module == maker.__name__
    assert maker.main(words) == 0  # its parser takes these words
    said = {"classes": 3, "side": 32, "seed": 0, "program": True, "half": False}
    assert written == [(("plain-unet", path), said)]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["none.onnx"], "none.onnx"),
        (["x.onnx", "--engine", "abacus"], "unknown engine 'abacus'"),
        (["x.onnx", "--trained", "unet"], "a trained peer is NAME=FILE.onnx, got 'unet'"),
        (["x.onnx", "--trained", "a=b", "--trained", "a=c"], "the same NAME"),
    ],
)
def test_wrong_use_is_one_line(tmp_path, capsys, words, said):
    assert command.main([*words, "--report", str(tmp_path)]) in (1, 2)
    error = capsys.readouterr().err
    assert said in error.splitlines()[-1]
