"""`build`: what it prints, and what it says where it cannot build."""

import sys

import pytest

from maskattn_edge.cli import app
from maskattn_edge.contract.errors import EngineError
from maskattn_edge.engines.gpu import DeviceFacts
from maskattn_edge.engines.tensorrt.preflight import BuildMemory
from maskattn_edge.engines.tensorrt.request import Built
from maskattn_edge.engines.tensorrt.sidecar import Agreement
from maskattn_edge.engines.tensorrt.toolchain import Examined, Toolchain


@pytest.fixture
def machine(monkeypatch):
    """A machine whose builder leaves a plan and whose engines are right."""
    asked = []

    def build(request, on_step):
        asked.append(request.options)
        on_step("kernels", 1, 2)
        with open(request.plan, "wb") as file:
            file.write(b"plan")
        return Built(peak_host_bytes=900_000_000, timing=b"t")

    found = Agreement(reference="fp32 answers", images=4, labels=0.999, miou=0.99, file_labels=1)
    tools = Toolchain(
        tensorrt="10.3.0",
        device=DeviceFacts("Orin", "8.7", "540"),
        memory=lambda: BuildMemory(host_mb=8000),
        build=build,
        examine=lambda file, plan, dla: Examined(
            agreement=found, activation_bytes=1_800_000, layers=44
        ),
    )
    monkeypatch.setattr("maskattn_edge.engines.tensorrt.this_machine", lambda: tools)
    return asked


def test_a_build_and_the_cache(machine, tiny_model, tmp_path, capsys):
    line = ["build", str(tiny_model), "--opt-level", "5", "--workspace", "64"]
    line += ["--cache", str(tmp_path / "engines")]
    assert app.run_command(line) == 0
    captured = capsys.readouterr()
    assert "for         Orin, SM 8.7, TensorRT 10.3.0, driver 540" in captured.out
    assert "1.80 MB of activations, 0.00 MB of plan, 44 layers" in captured.out
    assert "labels 99.90% (the file on the CPU 100.00%), mIoU 99.00%; 4 images" in captured.out
    assert captured.err == "kernels\ncomparing answers\n"
    assert (machine[0].opt_level, machine[0].workspace_mb, machine[0].dla) == (5, 64, None)
    assert app.run_command(line) == 0
    assert "(from the cache)" in capsys.readouterr().out
    assert len(machine) == 1
    assert app.run_command([*line, "--force"]) == 0
    assert "(built, because it was asked for)" in capsys.readouterr().out


@pytest.mark.parametrize("wrong", [["--opt-level", "6"], ["--workspace", "1"], ["--dla", "-1"]])
def test_wrong_options_are_usage_errors(wrong, tiny_model, capsys):
    assert app.run_command(["build", str(tiny_model), *wrong]) == 2
    assert capsys.readouterr().err.count("\n") == 1


def test_no_tensorrt_is_one_line(tiny_model, capsys, monkeypatch):
    monkeypatch.setattr("maskattn_edge.engines.tensorrt.toolchain.check_driver", lambda: None)
    monkeypatch.setitem(sys.modules, "tensorrt", None)
    assert app.run_command(["build", str(tiny_model)]) == 1
    error = capsys.readouterr().err
    assert error.startswith("error: the engine tensorrt needs TensorRT")
    assert error.count("\n") == 1


def test_no_gpu_is_one_line(tiny_model, capsys, monkeypatch):
    def broken():
        raise EngineError("no NVIDIA GPU can be used: no driver")

    monkeypatch.setattr("maskattn_edge.engines.tensorrt.this_machine", broken)
    assert app.run_command(["build", str(tiny_model)]) == 1
    assert capsys.readouterr().err == "error: no NVIDIA GPU can be used: no driver\n"
