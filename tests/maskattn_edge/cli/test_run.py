"""`run`, `inspect` and `models` as a user types them."""

import json
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import cv2
import numpy as np
import pytest
from onnx import TensorProto, helper

from maskattn_edge.cli import run as run_module
from maskattn_edge.cli.app import run_command
from maskattn_edge.cli.optional_value import with_web_address
from maskattn_edge.contract.errors import EngineError
from maskattn_edge.models import shipped_models
from maskattn_edge.pipeline import Progress

VIDEO_FRAMES = 25


@pytest.fixture
def video(tmp_path: Path) -> Path:
    """25 frames that are red, then blue."""
    path = tmp_path / "in.mp4"
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"mp4v"), 25.0, (96, 64))
    for index in range(VIDEO_FRAMES):
        color_bgr = (20, 20, 200) if index < 12 else (200, 20, 20)
        writer.write(np.full((64, 96, 3), color_bgr, np.uint8))
    writer.release()
    return path


def frames_in(path: Path) -> int:
    capture, frames = cv2.VideoCapture(str(path)), 0
    while capture.read()[0]:
        frames += 1
    return frames


def test_everything_at_once(tiny_model: Path, video: Path, tmp_path: Path, run_cli) -> None:
    out = tmp_path / "out"
    done = run_cli(
        "run", tiny_model, "--source", video, "--save", out / "o.webm", "--masks", out / "masks",
        "--jsonl", out / "o.jsonl", "--summary", out / "s.json", "--engine", "onnxruntime",
        "--threads", 1,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stderr == "engine: onnxruntime on CPU, 1 thread\n"
    assert "25 captured, 25 processed, 0 dropped" in done.stdout
    assert "frame to labels" in done.stdout
    assert frames_in(out / "o.webm") == VIDEO_FRAMES
    assert len(list((out / "masks").iterdir())) == VIDEO_FRAMES
    lines = [json.loads(line) for line in (out / "o.jsonl").read_text().splitlines()]
    names = [line["classes"][0]["name"] for line in lines]
    assert names == ["red"] * 12 + ["blue"] * 13
    report = json.loads((out / "s.json").read_text())
    assert report["processed"] == VIDEO_FRAMES
    assert [output["delivered"] for output in report["outputs"]] == [VIDEO_FRAMES] * 3


def test_jsonl_on_stdout_is_only_json(tiny_model: Path, video: Path, run_cli) -> None:
    done = run_cli("run", tiny_model, "--source", video, "--jsonl", "-", "--frames", 3)
    assert [json.loads(line)["index"] for line in done.stdout.splitlines()] == [0, 1, 2]
    assert "3 processed" in done.stderr


def test_a_file_without_a_description_runs_with_a_warning(
    tiny_onnx: bytes, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "plain.onnx").write_bytes(tiny_onnx)
    cv2.imwrite(str(tmp_path / "a.png"), np.zeros((64, 96, 3), np.uint8))
    line = ["run", str(tmp_path / "plain.onnx"), "--source", str(tmp_path / "a.png")]
    assert run_command([*line, "--save", str(tmp_path / "o.jpg")]) == 0
    captured = capsys.readouterr()
    assert "warning: " in captured.err
    assert "has no description" in captured.err
    assert cv2.imread(str(tmp_path / "o.jpg")).shape == (64, 96, 3)


def test_skipped_engines_are_told(
    tiny_model: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "openvino", None)

    def no_driver() -> None:
        raise EngineError("no NVIDIA GPU can be used")

    monkeypatch.setattr("maskattn_edge.engines.gpu.load_driver", no_driver)
    cv2.imwrite(str(tmp_path / "a.png"), np.zeros((64, 96, 3), np.uint8))
    assert run_command(["run", str(tiny_model), "--source", str(tmp_path / "a.png")]) == 0
    lines = capsys.readouterr().err.splitlines()
    assert lines[0].startswith("engine: onnxruntime on CPU")
    gpu_engines = "tensorrt, onnxruntime-tensorrt, onnxruntime-cuda"
    assert lines[1] == f"not {gpu_engines}: no NVIDIA GPU can be used"
    assert lines[2].startswith("not openvino: ")
    assert "pip install 'maskattn-edge[openvino]'" in lines[2]


def wrong_cases() -> dict[str, tuple[list[str], int, str]]:
    """Name -> (arguments after `run`, exit code, words of the message); {} is the folder."""
    good = ["{}/tiny.onnx", "--source", "{}/a.png"]
    return {
        "no source": (["{}/tiny.onnx"], 2, "give --camera 0 or --source URI"),
        "two sources": ([*good, "--camera", "0"], 2, "both given"),
        "no model": (["{}/no.onnx", *good[1:]], 1, "no.onnx: no such file"),
        "text as model": (["{}/text.onnx", *good[1:]], 1, "text.onnx"),
        "other shape": (["{}/other.onnx", *good[1:]], 1, "its input must be `image uint8"),
        "empty folder": (["{}/tiny.onnx", "--source", "{}/empty"], 1, "no pictures"),
        "bad picture": (["{}/tiny.onnx", "--source", "{}/bad.png"], 1, "bad.png"),
        "bad video": (["{}/tiny.onnx", "--source", "{}/bad.mp4"], 1, "bad.mp4"),
        "no file": (["{}/tiny.onnx", "--source", "{}/no.mp4"], 1, "no.mp4: no such file"),
        "no camera": (["{}/tiny.onnx", "--camera", "97"], 1, "/dev/video97: no such camera"),
        "scheme": (["{}/tiny.onnx", "--source", "ftp://x/y"], 2, "ftp:// is no known kind"),
        "save": ([*good, "--save", "{}/a.png/o.mp4"], 1, "cannot be written"),
        "masks": ([*good, "--masks", "{}/a.png/m"], 1, "cannot be written"),
        "jsonl": ([*good, "--jsonl", "{}/a.png/o.jsonl"], 1, "cannot be written"),
        "summary": (
            # found before the camera is opened
            ["{}/tiny.onnx", "--camera", "97", "--summary", "{}/a.png/s.json"],
            1,
            "cannot be written",
        ),
        "suffix": ([*good, "--save", "{}/o.gif"], 2, "must end in one of"),
        "engine": ([*good, "--engine", "abacus"], 2, "unknown engine 'abacus'"),
        "opacity": ([*good, "--opacity", "1.5"], 2, "--opacity"),
        "threads": ([*good, "--threads", "many"], 2, "--threads"),
        "max fps": ([*good, "--max-fps", "0"], 2, "--max-fps"),
        "frames": ([*good, "--frames", "-1"], 2, "--frames"),
        "option": ([*good, "--fly"], 2, "--fly"),
        "window": ([*good, "--show"], 1, "--show needs"),
        "web address": ([*good, "--web", "a:b"], 2, "not HOST:PORT"),
        "web token": ([*good, "--web", "0", "--web-token", "x"], 2, "8 or more letters"),
        "token alone": ([*good, "--web-token", "12345678"], 2, "--web-token needs --web"),
        "stats": ([*good, "--stats", "{}/a.png/s"], 1, "cannot be written"),
        "stats every": ([*good, "--stats", "{}/s", "--stats-every", "0"], 2, "--stats-every"),
    }


@pytest.mark.parametrize("name", wrong_cases())
def test_wrong_input_is_one_line(name: str, tiny_model: Path, tmp_path: Path, run_cli) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "text.onnx").write_text("no model")
    cv2.imwrite(str(tmp_path / "a.png"), np.zeros((64, 96, 3), np.uint8))
    for bad in ("bad.png", "bad.mp4"):
        (tmp_path / bad).write_bytes((tmp_path / "a.png").read_bytes()[:40])
    value = helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 3, 8, 8])
    graph = helper.make_graph([helper.make_node("Relu", ["x"], ["y"])], "other", [value], [
        helper.make_tensor_value_info("y", TensorProto.FLOAT, [1, 3, 8, 8])
    ])  # fmt: skip
    other = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)])
    (tmp_path / "other.onnx").write_bytes(other.SerializeToString())

    arguments, code, words = wrong_cases()[name]
    if "--engine" not in arguments:
        arguments = [*arguments, "--engine", "onnxruntime"]
    done = run_cli("run", *(part.replace("{}", str(tmp_path)) for part in arguments))
    assert done.returncode == code, done.stderr
    errors = done.stderr.splitlines()
    if errors[0].startswith("engine: "):  # it began to run before it met the fault
        errors = errors[1:]
    assert len(errors) == 1, done.stderr
    assert errors[0].startswith("error: ")
    assert words in errors[0]
    assert tiny_model.exists()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_ctrl_c_leaves_a_complete_video(
    tiny_model: Path, tmp_path: Path, number: int, cli_environment: dict[str, str]
) -> None:
    out, follow = tmp_path / "o.webm", tmp_path / "o.jsonl"
    process = subprocess.Popen(
        [
            sys.executable, "-m", "maskattn_edge", "run", str(tiny_model), "--source",
            "synthetic://?width=64&height=48&fps=50", "--save", str(out), "--jsonl", str(follow),
            "--engine", "onnxruntime", "--summary", str(tmp_path / "s.json"),
        ],
        env=cli_environment, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline and not (follow.exists() and follow.stat().st_size > 2000):
        time.sleep(0.02)
    process.send_signal(number)
    stdout, stderr = process.communicate(timeout=20)
    assert process.returncode == 0, stderr
    assert "interrupted" in stdout
    report = json.loads((tmp_path / "s.json").read_text())
    assert report["interrupted"]
    video, lines = report["outputs"]
    assert video["delivered"] > 0
    assert frames_in(out) == video["delivered"]
    assert len(follow.read_text().splitlines()) == lines["delivered"]
    names = {path.name for path in tmp_path.iterdir()}
    assert names == {"tiny.onnx", "o.webm", "o.jsonl", "s.json"}


def test_status_line_is_one_line() -> None:
    progress = Progress(
        seconds=1.0, captured=9, processed=8, dropped=1, length=None, fps=29.97,
        latency_ms=4.56, age_ms=20.2,
    )  # fmt: skip
    text = run_module.status_text(progress)
    assert text == "8 frames  30.0/s  latency 4.6 ms  age 20 ms  dropped 1"


def test_inspect(tiny_model: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run_command(["inspect", str(tiny_model)]) == 0
    text = capsys.readouterr().out
    assert "red, green, blue" in text
    assert run_command(["inspect", str(tiny_model), "--json"]) == 0
    facts = json.loads(capsys.readouterr().out)
    assert (facts["task"], facts["opset"], facts["operators"]) == ("semantic", 17, 5)
    assert facts["outputs"] == ["labels uint8 (1, 32, 48)"]
    assert facts["bytes"] == tiny_model.stat().st_size


def test_models(
    tiny_model: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("maskattn_edge.models.shipped_models", lambda: {"default": tiny_model})
    assert run_command(["models"]) == 0
    assert "default: tiny, semantic, fp32" in capsys.readouterr().out
    assert run_command(["models", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["default"]["classes"] == ["red", "green", "blue"]


def test_an_installation_without_models(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert isinstance(shipped_models(), dict)
    monkeypatch.setattr("maskattn_edge.models.shipped_models", dict)
    assert run_command(["run", "--source", "a.png"]) == 1
    assert "ships no default model" in capsys.readouterr().err


def test_web_alone_has_a_default_address() -> None:
    assert with_web_address(["run", "--web"]) == ["run", "--web", "127.0.0.1:8765"]
    assert with_web_address(["run", "--web", "--show"])[2:] == ["127.0.0.1:8765", "--show"]
    assert with_web_address(["--web", "m.onnx"]) == ["--web", "127.0.0.1:8765", "m.onnx"]
    for given in (["--web", "80"], ["--web=80"], ["run"], []):
        assert with_web_address(given) == given


def test_a_port_in_use_is_one_line(tiny_model: Path, run_cli) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        done = run_cli("run", tiny_model, "--source", "synthetic://", "--web", port)
    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    assert line.startswith(f"error: --web 127.0.0.1:{port}: the port is in use: ")


def test_a_service_is_ready_serves_its_page_and_stops(
    tiny_model: Path, tmp_path: Path, cli_environment: dict[str, str]
) -> None:
    stats = tmp_path / "stats.jsonl"
    environment = {
        **cli_environment,
        "NOTIFY_SOCKET": str(tmp_path / "notify"),
        "MASKATTN_WEB_TOKEN": "token-of-the-test",
    }
    command = [
        sys.executable, "-m", "maskattn_edge", "run", str(tiny_model), "--source",
        "synthetic://?width=64&height=48&fps=30", "--web", "0", "--stats", str(stats),
        "--stats-every", "1", "--engine", "onnxruntime", "--threads", "1",
    ]  # fmt: skip
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(environment["NOTIFY_SOCKET"])
        manager.settimeout(60)
        process = subprocess.Popen(
            command, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment
        )
        assert manager.recv(100) == b"READY=1"
        assert process.stderr is not None
        assert process.stderr.readline() == "engine: onnxruntime on CPU, 1 thread\n"
        url = process.stderr.readline().removeprefix("live page: ").strip()
        base, _, token = url.partition("?token=")
        assert token == "token-of-the-test"
        asked = urllib.request.Request(f"{base}frame", headers={"Authorization": f"Bearer {token}"})
        with urllib.request.urlopen(asked, timeout=30) as answer:
            assert len(answer.read()) > 1000
        deadline = time.monotonic() + 30
        while not stats.read_text() and time.monotonic() < deadline:
            time.sleep(0.05)
        process.send_signal(signal.SIGTERM)
        out, _ = process.communicate(timeout=30)
        assert process.returncode == 0
        messages = []
        while messages[-1:] != [b"STOPPING=1"]:
            messages.append(manager.recv(1000))
    assert "interrupted" in out
    kinds = [json.loads(line)["kind"] for line in stats.read_text().splitlines()]
    assert kinds[0] == "stats"
    assert kinds[-1] == "summary"


def test_the_fastest_engine_is_measured_then_remembered(
    tiny_model: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("maskattn_edge.engines.fastest.SECONDS", 0.02)
    cv2.imwrite(str(tmp_path / "a.png"), np.zeros((64, 96, 3), np.uint8))
    line = ["run", str(tiny_model), "--source", str(tmp_path / "a.png"), "--engine", "fastest"]
    said = []
    for _ in range(2):
        assert run_command([*line, "--cache", str(tmp_path / "cache")]) == 0
        said.append(capsys.readouterr().err.splitlines()[1])
    assert re.fullmatch(r"fastest: .*onnxruntime \d+\.\d\d ms.*, 0\.02 s in all", said[0])
    assert "; remembered from 20" in said[1]
