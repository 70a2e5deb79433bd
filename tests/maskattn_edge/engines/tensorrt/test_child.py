"""What becomes of the building process is told in one line."""

import sys

import pytest

from maskattn_edge.contract.errors import EngineError, MissingDependencyError, ModelFileError
from maskattn_edge.engines.tensorrt.child import build_in_child
from maskattn_edge.engines.tensorrt.preflight import (
    BuildMemory,
    check_memory,
    host_memory_mb,
    needed_mb,
)
from maskattn_edge.engines.tensorrt.request import BuildRequest

READ = """
import os, signal, sys, time
header = sys.stdin.buffer.readline()
rest = sys.stdin.buffer.read()
def tell(line):
    os.write(1, line.encode() + b"\\n")
"""


@pytest.fixture
def request_(tmp_path, options):
    return BuildRequest(onnx=b"model", options=options, plan=str(tmp_path / "plan"), timing=b"ti")


def process(code):
    return (sys.executable, "-S", "-c", READ + code)


def test_a_build_tells_its_steps_and_leaves_its_timings(request_, tmp_path):
    code = """
import json
assert rest == b"timodel", rest
plan = json.loads(header)["plan"]
open(plan, "wb").write(b"a plan")
open(plan + ".timing", "wb").write(b"times")
tell('{"type":"step","phase":"kernels","done":1,"total":2}')
tell('{"type":"done","peak_host_bytes":7,"log":["said"]}')
"""
    steps = []
    built = build_in_child(request_, lambda *step: steps.append(step), command=process(code))
    assert steps == [("kernels", 1, 2)]
    assert (built.peak_host_bytes, built.timing, built.log) == (7, b"times", ("said",))
    assert (tmp_path / "plan").read_bytes() == b"a plan"
    assert not (tmp_path / "plan.timing").exists()


@pytest.mark.parametrize(
    ("code", "error", "text"),
    [
        (
            "os.kill(os.getpid(), signal.SIGKILL)",
            EngineError,
            r"the build was killed, most likely because memory ran out \([\d,]+ MB were free",
        ),
        ("os.kill(os.getpid(), signal.SIGABRT)", EngineError, r"crashed \(SIGABRT\)"),
        ("sys.exit('no\\nluck')", EngineError, r"without an answer \(exit code 1\): luck"),
        ('tell(\'{"type":"st\')', EngineError, r"without an answer \(exit code"),
        ("tell('hello')", EngineError, "without an answer"),
        (
            """tell('{"type":"failed","kind":"ModelFileError","message":"node 3: no"}')""",
            ModelFileError,
            "node 3: no",
        ),
        (
            """tell('{"type":"failed","kind":"MissingDependencyError","message":"get it"}')""",
            MissingDependencyError,
            "get it",
        ),
    ],
)
def test_how_a_build_ends(code, error, text, request_):
    with pytest.raises(error, match=text) as caught:
        build_in_child(request_, command=process(code))
    assert "\n" not in str(caught.value)


def test_an_interrupted_parent_takes_the_child_with_it(request_, tmp_path):
    late = tmp_path / "late"
    code = f"""
tell('{{"type":"step","phase":"kernels","done":1,"total":2}}')
time.sleep(30)
open({str(late)!r}, "w")
"""

    def interrupt(*step):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        build_in_child(request_, interrupt, command=process(code))  # does not wait 30 s
    assert not late.exists()


def test_the_real_process_says_that_tensorrt_is_missing(request_, tmp_path, monkeypatch):
    (tmp_path / "tensorrt.py").write_text("raise ImportError('libnvinfer.so.10: no such file')")
    import os

    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(tmp_path), *filter(None, sys.path)]))
    with pytest.raises(MissingDependencyError, match=r"libnvinfer\.so\.10: no such file"):
        build_in_child(request_)


def test_memory_that_a_build_needs():
    assert needed_mb(10 << 20, 256) == 1024 + 256 + 60
    check_memory(BuildMemory(host_mb=2000, device_mb=2000), model_bytes=0, workspace_mb=256)
    with pytest.raises(EngineError, match="or give --workspace 176"):
        check_memory(BuildMemory(host_mb=1200), model_bytes=0, workspace_mb=256)
    with pytest.raises(EngineError, match=r"memory on the GPU, 900 MB.*add swap"):
        check_memory(BuildMemory(host_mb=9999, device_mb=900), model_bytes=0, workspace_mb=64)


def test_free_memory_is_read_from_the_kernel(tmp_path):
    table = tmp_path / "meminfo"
    table.write_text("MemTotal: 8000000 kB\nMemAvailable:    2097152 kB\n")
    assert host_memory_mb(table) == 2048
    table.write_text("MemTotal: 8000000 kB\n")
    with pytest.raises(EngineError, match="does not say"):
        host_memory_mb(table)
