"""`models`, `models show` and `models get`, and that a fetched model runs by its name."""

import hashlib
import json

import pytest

from maskattn_edge.cli import app


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))


def test_the_list(capsys):
    assert app.run_command(["models"]) == 0
    assert capsys.readouterr().out.startswith("default: maskattn-s-synthetic, semantic, int8\n")
    assert app.run_command(["models", "--json"]) == 0
    assert list(json.loads(capsys.readouterr().out)) == ["default"]


def test_the_card(capsys):
    assert app.run_command(["models", "show"]) == 0
    text = capsys.readouterr().out
    assert "ONNX INT8        76.29       75.89     1.1\n" in text
    assert text.endswith("make it     sh models/zoo/maskattn-s-synthetic/train.sh FOLDER\n")
    assert app.run_command(["models", "show", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["card"]["name"] == "maskattn-s-synthetic"


def test_a_fetched_model_runs_by_its_name(server, tiny_model, tmp_path, capsys):
    data = tiny_model.read_bytes()
    server.files["floor.onnx"] = data
    line = ["models", "get", f"{server.url}/floor.onnx", "--sha256"]
    assert app.run_command([*line, "0" * 64]) == 1
    assert app.run_command([*line, hashlib.sha256(data).hexdigest()]) == 0
    assert capsys.readouterr().out.endswith("next: maskattn-edge run floor --camera 0\n")
    run = ["run", "floor", "--source", "synthetic://?frames=2&width=64&height=48"]
    assert app.run_command([*run, "--engine", "onnxruntime"]) == 0
    assert "tiny by onnxruntime" in capsys.readouterr().out
    assert app.run_command(["models", "show", "floor", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["card"] is None
    assert app.run_command(["inspect", "floor"]) == 0
    assert app.run_command(["run", "flor", "--camera", "0"]) == 1
    assert "flor: no such file, and no model of this name; here are: floor, default" in (
        capsys.readouterr().err
    )


def test_a_broken_fetched_model_is_a_warning(tmp_path, capsys):
    folder = tmp_path / ".local" / "share" / "maskattn-edge" / "models"
    folder.mkdir(parents=True)
    (folder / "broken.onnx").write_bytes(b"x")
    assert app.run_command(["models"]) == 0
    captured = capsys.readouterr()
    assert captured.out.startswith("default:")
    assert captured.err.startswith("warning: ")


def test_the_checksum_is_asked_for(capsys):
    assert app.run_command(["models", "get", "https://example.org/a.onnx"]) == 2
    assert "--sha256" in capsys.readouterr().err
