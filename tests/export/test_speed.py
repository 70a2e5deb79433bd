"""TensorRT's times decide where it can be used; elsewhere the line says what was measured.

No TensorRT runs here: the toolchain and the loaded plan are fakes, the engine and the cache real.
"""

from types import SimpleNamespace

import numpy as np
import pytest

from maskattn_edge.contract.errors import EngineError, MissingDependencyError
from maskattn_edge.contract.model_file import read_model_file
from maskattn_edge.engines.gpu import DeviceFacts
from maskattn_edge.engines.tensorrt.preflight import BuildMemory
from maskattn_edge.engines.tensorrt.request import Built
from maskattn_edge.engines.tensorrt.sidecar import Agreement
from maskattn_edge.engines.tensorrt.toolchain import Examined, Toolchain
from maskattn_edge.latency import LatencySettings
from maskattn_export.exporter import export_checkpoint
from maskattn_export.settings import ExportSettings
from maskattn_export.speed import measure_speed

QUICK = LatencySettings(warmup_frames=0, min_frames=1, min_seconds=0)
GOOD = Agreement(reference="test", images=2, labels=1.0, miou=1.0, file_labels=1.0)
ORIN = DeviceFacts(name="Orin", sm="8.7", driver="540.4, CUDA 12.6")
TENSORRT_MS = {"fp32": 9.0, "fp16": 1.0, "int8": 2.0}


class FakePlan:
    activation_bytes, layers, uses_graph, graph_refused, gpu_ms = 1_600_000, 26, True, None, None
    opened = 0

    def __init__(self, *arguments, **options):
        type(self).opened += 1

    def run(self, image):
        return {"labels": np.zeros(image.shape[:3], np.uint8)}

    def close(self):
        type(self).opened -= 1


@pytest.fixture
def orin(monkeypatch, tmp_path):
    """A machine with a GPU, as far as an export sees; gives what its builder was asked for."""
    asked = []

    def build(request, on_step):
        asked.append(request)
        on_step("Tactic Selection", 1, 2)
        with open(request.plan, "wb") as file:
            file.write(b"plan")
        return Built(peak_host_bytes=1 << 30, timing=b"")

    tools = Toolchain(
        tensorrt="10.6.0",
        device=ORIN,
        memory=lambda: BuildMemory(host_mb=8000),
        build=build,
        examine=lambda *which: Examined(agreement=GOOD, activation_bytes=1_600_000, layers=26),
    )
    home = "maskattn_edge.engines.tensorrt."
    monkeypatch.setattr("pathlib.Path.home", lambda: tmp_path)
    monkeypatch.setattr("maskattn_export.speed.check_driver", lambda: None)
    monkeypatch.setattr(home + "engine.this_machine", lambda: tools)
    monkeypatch.setattr(home + "plan_engine.LoadedPlan", FakePlan)
    trt, cuda = SimpleNamespace(__version__="10.6.0"), SimpleNamespace(facts=lambda: ORIN)
    monkeypatch.setattr(home + "plan_engine.load_tensorrt", lambda: trt)
    monkeypatch.setattr(home + "plan_engine.Cuda.open", lambda: cuda)

    def timed(frame, settings):
        engine = frame.func.__self__
        frame()
        assert engine.name == "tensorrt"
        return np.array([TENSORRT_MS[engine.spec.precision.name]])

    monkeypatch.setattr("maskattn_export.speed.time_frames", timed)
    return asked


def files_of(report):
    return [read_model_file(file.path) for file in report.files]


def test_tensorrt_decides_where_it_can_be_used(orin, checkpoint_path, tmp_path):
    steps = []
    report = export_checkpoint(
        checkpoint_path,
        ExportSettings(precisions=("fp16", "int8"), quantizer="onnxruntime"),
        folder=tmp_path,
        timing=QUICK,
        on_step=steps.append,
    )
    assert len(orin) == 3
    assert report.decision.precision == "fp16"
    assert "1.00 ms (fp32 9.00, int8 2.00) on tensorrt (Orin, TensorRT 10.6.0, 1.6 MB" in (
        report.decision.line
    )
    assert "CPU engines" not in report.decision.line
    assert "TensorRT, best.int8.onnx: Tactic Selection" in steps
    assert FakePlan.opened == 0


def test_its_engines_stay_in_the_cache(orin, report, tmp_path):
    files = files_of(report)
    image = np.zeros((32, 32, 3), np.uint8)
    for _ in range(2):
        speed = measure_speed(files, image, QUICK, cache=tmp_path / "engines")
    assert len(orin) == len(files)
    assert speed.frame_ms == (9.0, 1.0, 2.0)
    assert speed.caveat == ""


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (EngineError("TensorRT built no engine: no kernel fits"), "TensorRT built no engine: no k"),
        (MissingDependencyError("the engine tensorrt needs TensorRT"), "it is not installed"),
    ],
)
def test_where_it_fails_cpu_engines_are_measured_and_it_says_why(
    report, tmp_path, monkeypatch, error, reason
):
    def broken():
        raise error

    monkeypatch.setattr("maskattn_export.speed.check_driver", lambda: None)
    monkeypatch.setattr("maskattn_edge.engines.tensorrt.engine.this_machine", broken)
    speed = measure_speed(
        files_of(report), np.zeros((32, 32, 3), np.uint8), QUICK, cache=tmp_path / "engines"
    )
    assert speed.caveat.startswith(f"CPU engines were measured, not TensorRT: {reason}")
    assert "(CPU" in speed.engine
    assert len(speed.frame_ms) == 3


def test_without_a_gpu_the_line_says_so(report, monkeypatch):
    def none():
        raise EngineError("no NVIDIA GPU can be used")

    monkeypatch.setattr("maskattn_export.speed.check_driver", none)
    speed = measure_speed(files_of(report)[:1], np.zeros((32, 32, 3), np.uint8), QUICK)
    assert speed.caveat == "CPU engines were measured, not TensorRT: there is no NVIDIA GPU"
