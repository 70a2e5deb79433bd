"""The tools for GPU machines as far as they go without one: what is not there is a row."""

import importlib.util
import json
import os
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import msgspec
import pytest

from maskattn_benchmarks.results import Energy, Figure, Run, write_results
from maskattn_edge.contract.model_file import read_model_file
from maskattn_edge.latency import LatencySettings
from maskattn_edge.models import default_model

TOOLS = Path(__file__).parents[2] / "tools"


def load(name):
    spec = importlib.util.spec_from_file_location(name, TOOLS / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def tool():
    return load("gpu_peers")


SIDECAR = {
    "plan_bytes": 2_500_000,
    "precision": "fp16",
    "fingerprint": {
        "options": {"opt_level": 0},
        "device": "H100", "driver": "580", "tensorrt": "10.6.0",
    },
    "measured": {"build_s": 12.34, "layers": 30, "activation_bytes": 1_500_000},
    "agreement": {"labels": 0.9991, "reference": "ONNX Runtime on drawn scenes"},
}  # fmt: skip


def test_an_engine_that_is_not_built_is_a_reason(tool, tmp_path, monkeypatch):
    found = tool.built(tmp_path / "none.onnx", "none", 60.0)
    assert found["model"] == "none"
    assert "none.onnx" in found["error"]
    slow = tmp_path / "slow"
    slow.write_text("#!/bin/sh\nsleep 60 &\nwait\n")
    slow.chmod(0o755)
    monkeypatch.setattr(tool.sys, "executable", str(slow))
    begin = time.monotonic()
    assert tool.built(tmp_path / "x.onnx", "x", 1.0)["error"] == "not built within 1 s"
    assert time.monotonic() - begin < 50  # what it started is ended too, or its pipe stays open


def test_levels_and_candidates(tool, tmp_path, monkeypatch):
    calls = []
    monkeypatch.setattr(tool, "sidecar_of", lambda path: SIDECAR)

    class Build:
        returncode = 0

        def __init__(self, words, **_):
            calls.append(words[3:])

        def communicate(self, timeout=None):
            return "", ""

    monkeypatch.setattr(tool.subprocess, "Popen", Build)
    models = [tmp_path / "s.fp16.onnx", tmp_path / "published.onnx"]
    tool.build(tmp_path, models, seconds=5.0, jobs=1)
    assert calls == [
        ["build", str(models[0])], ["build", str(models[1]), *tool.PUBLISHED],
    ]  # fmt: skip
    builds = json.loads((tmp_path / "builds.json").read_text())
    assert [entry["model"] for entry in builds["engines"]] == ["s.fp16", "published"]
    builds["engines"][1] = {"model": "published", "error": "not built within 5 s"}
    (tmp_path / "builds.json").write_text(json.dumps(builds))
    models[0].with_suffix(".pt2").touch()
    monkeypatch.setattr(tool, "installed_engines", lambda: ["onnxruntime"])
    found = {made.name: made.not_run for made in tool.candidates(tmp_path, models)}
    assert found == {
        "s.fp16/tensorrt": "",
        "published/tensorrt": "not built within 5 s",
        "s.fp16/tensorrt-bare": "",
        "s.fp16/onnxruntime-cuda": "ONNX Runtime here has no CUDA provider",
        "s.fp16/pytorch": "",
    }


def test_the_table_has_every_figure(tool, tmp_path, make_report):
    report = make_report(interleave=True, **{"s/tensorrt": [0.25] * 1000, "s/pytorch": [2.0] * 9})
    steady = msgspec.structs.replace(report.runs[0].steady, gpu=(0.125,) * 1000)
    energy = Energy(meter="NVML GPU 0", joules=80.0, seconds=1, frames=1000)
    ours = msgspec.structs.replace(
        report.runs[0], engine="tensorrt", precision="fp16", steady=steady, energy=(energy,),
        activations_mib=Figure(value=1.5e6 / 2**20),
    )  # fmt: skip
    eager = msgspec.structs.replace(report.runs[1], engine="pytorch", precision="fp32")
    slow = Run(name="published/tensorrt", model="p", engine="tensorrt", not_run="not built in 5 s")
    runs = (ours, eager, slow)
    write_results(tmp_path / "results.json", msgspec.structs.replace(report, runs=runs))
    builds = {"jobs": 3, "engines": [{"model": "s", "sidecar": SIDECAR}]}
    (tmp_path / "builds.json").write_text(json.dumps(builds))
    rows = tool.table(tmp_path).rows
    assert rows[0] == (
        "s/tensorrt", "fp16", "12.3", "30", "0.125", "0.25", "0.25", "0.25", "0.75", "2.00", "1.50",
        "2.50", "80.0", "complete; level 0; labels equal 99.91 % to ONNX Runtime on drawn scenes",
    )  # fmt: skip
    assert rows[1][5:8] == ("2.00", "2.00", "not measured")  # p99.9 needs 1,000 frames
    assert rows[1][2:4] == ("not measured",) * 2  # the engine of the same model is another's
    assert rows[2][-1] == "not run: not built in 5 s"


def test_the_script_goes_as_far_as_this_machine(tmp_path):
    folder = tmp_path / "out"
    (folder / "peers").mkdir(parents=True)
    for name in ("plain-unet", "segformer-b0", "published"):  # so that none is made here
        (folder / "peers" / f"{name}.onnx").write_bytes(b"no model")
    environment = os.environ | {"PYTHON": sys.executable, "HOME": str(tmp_path)}
    words = [TOOLS / "gpu_peers.sh", folder, default_model()]
    done = subprocess.run(words, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    table = (folder / "table.md").read_text()
    assert table == done.stdout
    for name in ("plain-unet", "segformer-b0", "published"):
        row = next(line for line in table.splitlines() if line.startswith(f"| {name}/tensorrt |"))
        assert "not run: " in row or "failed: " in row
    assert "no model has a PyTorch program (.pt2) beside it" in table
    assert json.loads((folder / "builds.json").read_text())["jobs"] == 1


def test_a_table_of_engines_from_its_json():
    engines = load("gpu_engines")
    times = {"p50_ms": 0.1, "p90_ms": 0.2, "p99_ms": 0.3, "captured": True}
    more = {**times, "p99.9_ms": 0.4, "bare_p50_ms": 0.08, "gpu_p50_ms": 0.05}
    results = [
        {"model": "a|b", "sidecar": SIDECAR, "graph": times, "enqueue": times},
        {"model": "c", "error": "it\nfailed"},
        {"model": "d", "sidecar": SIDECAR, "graph": more, "copies": more, "enqueue": more},
    ]
    lines = engines.shown(results).splitlines()
    assert lines[2].startswith(
        r"| a\|b | fp16 | 12.3 | 30 | 0.100 | 0.200 | 0.300 |  |  |  |  |  | 0.100 |"
    )
    assert "| 0.300 | 0.400 | 0.080 | 1.25 | 0.050 | 0.100 | 0.100 | 0.300 |" in lines[4]
    assert lines[2].endswith("| 1.50 | 2.50 | 99.91 |")
    assert lines[3].startswith("| c | failed: it failed |")
    assert lines[-1] == "H100, driver 580, TensorRT 10.6.0"
    assert len({line.replace(r"\|", "").count("|") for line in lines[:5]}) == 1


class FakePlanEngine:
    """An engine that counts its frames and takes no time."""

    def __init__(self, file, plan, **how):
        self.spec, self.plan, self.how, self.frames, self.replayed = file.spec, plan, how, 0, 0
        self.device, self.uses_graph, self.gpu_ms = "H100", how.get("graph", True), None

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.spec = None  # whoever uses it afterwards fails

    def infer(self, image):
        assert image.shape == (1, self.spec.input.height, self.spec.input.width, 3)
        self.frames += 1

    def replay(self):
        self.replayed += 1

    def measure_gpu(self):
        self.gpu_ms = 0.125


def test_engines_are_timed_in_turns(monkeypatch):
    tool = load("gpu_engines")
    made = []
    monkeypatch.setattr(
        tool, "PlanEngine", lambda *a, **how: made.append(FakePlanEngine(*a, **how)) or made[-1]
    )
    layer = SimpleNamespace(name="stem", frame_ms=0.0123456)
    monkeypatch.setattr(tool, "plan_layer_times", lambda plan: [layer])
    quick = LatencySettings(warmup_frames=1, min_frames=3, min_seconds=0)
    monkeypatch.setattr(tool, "TURN", quick)
    file = read_model_file(default_model())
    engine = SimpleNamespace(plan=b"plan", sidecar={"precision": "int8"})
    first, second = tool.measured({"a": (file, engine), "b": (file, engine)})
    assert (first["model"], second["model"]) == ("a", "b")
    assert first["layers"] == [{"name": "stem", "ms": 0.01235}]
    assert [one.how for one in made] == [{}, {"in_place": False}, {"graph": False}] * 2
    assert {one.frames for one in made} == {4 * (1 + 3) + 500}
    assert {one.replayed for one in made} == {4 * (1 + 3)}
    graph = first["graph"]
    assert graph["frames"] == 12
    assert graph["captured"]
    assert not first["enqueue"]["captured"]
    assert graph["gpu_p50_ms"] == 0.125
    assert graph["p50_ms"] <= graph["p99.9_ms"]
