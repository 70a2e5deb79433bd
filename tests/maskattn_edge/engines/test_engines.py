"""Every back end gives the same answer, and refuses what it cannot take."""

import importlib.util
import os
import subprocess
import sys

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from maskattn_edge.contract.classes import numbered_classes
from maskattn_edge.contract.errors import (
    ContractError,
    EngineError,
    MissingDependencyError,
    ModelFileError,
    UsageError,
)
from maskattn_edge.contract.model_file import describe, parse_model
from maskattn_edge.contract.spec import InputSpec, ModelSpec, PrecisionSpec
from maskattn_edge.engines import BACKENDS, open_engine, table


@pytest.fixture
def brightest(tmp_path):
    """A model whose label is the brightest channel of each pixel."""
    shape = [1, 16, 16, 3]
    nodes = [
        helper.make_node("Cast", ["image"], ["float"], to=TensorProto.FLOAT),
        helper.make_node("Transpose", ["float"], ["nchw"], perm=[0, 3, 1, 2]),
        helper.make_node("ArgMax", ["nchw"], ["index"], axis=1, keepdims=0),
        helper.make_node("Cast", ["index"], ["labels"], to=TensorProto.UINT8),
    ]
    model = helper.make_model(
        helper.make_graph(
            nodes,
            "test",
            [helper.make_tensor_value_info("image", TensorProto.UINT8, shape)],
            [helper.make_tensor_value_info("labels", TensorProto.UINT8, shape[:-1])],
        ),
        opset_imports=[helper.make_opsetid("", 18)],
        ir_version=9,
    )
    spec = ModelSpec(
        name="brightest",
        task="semantic",
        classes=numbered_classes(3),
        input=InputSpec(height=16, width=16),
        precision=PrecisionSpec(name="fp32"),
    )
    path = tmp_path / "brightest.onnx"
    path.write_bytes(describe(model.SerializeToString(), spec))
    return path


CPU_BACKENDS = ["openvino", "onnxruntime"]  # tests of the others: tensorrt/, test_ort_gpu.py


@pytest.mark.parametrize("backend", CPU_BACKENDS)
def test_the_answer(backend, brightest):
    if importlib.util.find_spec(backend) is None:
        pytest.skip(f"{backend} is not installed")
    image = np.random.default_rng(0).integers(0, 255, (1, 16, 16, 3), np.uint8)
    with open_engine(brightest, backend=backend) as engine:
        assert engine.name == backend
        assert "CPU" in engine.device
        first = engine.infer(image)
        kept = first.labels.copy()
        engine.infer(255 - image)
    np.testing.assert_array_equal(kept, image[0].argmax(-1))
    np.testing.assert_array_equal(first.labels, kept)  # a later frame does not write over it


@pytest.mark.parametrize(
    "image", [np.zeros((1, 8, 8, 3), np.uint8), np.zeros((1, 16, 16, 3), np.float32)]
)
def test_images_that_do_not_fit(brightest, image):
    with (
        open_engine(brightest, backend="onnxruntime") as engine,
        pytest.raises(ContractError, match=r"takes \(1, 16, 16, 3\) uint8"),
    ):
        engine.infer(image)


def test_unknown_engine(brightest):
    with pytest.raises(
        UsageError, match="unknown engine 'cuda'; available: auto, fastest, tensorrt, onnxruntime-t"
    ):
        open_engine(brightest, backend="cuda")


def test_auto_says_what_it_passed_over(brightest, monkeypatch):
    def missing(purpose):
        raise MissingDependencyError(f"{purpose} needs openvino: pip install it")

    def broken():
        raise EngineError("no NVIDIA GPU can be used")

    monkeypatch.setattr("maskattn_edge.engines.openvino.load_openvino", missing)
    monkeypatch.setattr("maskattn_edge.engines.tensorrt.engine.this_machine", broken)
    monkeypatch.setattr("maskattn_edge.engines.ort_gpu.gpu_facts", broken)
    skipped = []
    with open_engine(brightest, on_skip=lambda *why: skipped.append(why)) as engine:
        assert engine.name == "onnxruntime"
    assert [name for name, _ in skipped] == list(BACKENDS)[:-1]
    assert {reason for _, reason in skipped[:3]} == {"no NVIDIA GPU can be used"}
    with pytest.raises(MissingDependencyError, match="pip install"):
        open_engine(brightest, backend="openvino")


@pytest.mark.parametrize("backend", CPU_BACKENDS)
def test_a_graph_that_the_back_end_refuses_is_one_line(backend, brightest):
    if importlib.util.find_spec(backend) is None:
        pytest.skip(f"{backend} is not installed")
    model = onnx.load(brightest)
    model.graph.node[1].op_type = "NoSuchOperator"
    file = parse_model(model.SerializeToString(), brightest)
    with pytest.raises(ModelFileError, match="refuses it") as caught:
        open_engine(file, backend=backend)
    assert "\n" not in str(caught.value)


def test_every_entry_of_the_table_exists():
    for name, entry in table.BACKENDS.items():
        engine = getattr(importlib.import_module(entry.module), entry.class_name)
        assert engine.name == name


@pytest.mark.parametrize("backend", CPU_BACKENDS)
def test_an_engine_on_the_cpu_keeps_nothing_and_needs_no_home(backend, brightest, tmp_path):
    """No cache of compiled models: none can be stale, and a home need not be writable."""
    if importlib.util.find_spec(backend) is None:
        pytest.skip(f"{backend} is not installed")
    work, home = tmp_path / "work", tmp_path / "home"
    work.mkdir()
    home.write_bytes(b"")  # a file: nothing can be made below it, by root either
    code = (
        "import sys; from pathlib import Path; from maskattn_edge.engines import open_engine\n"
        "open_engine(Path(sys.argv[1]), backend=sys.argv[2], threads=1).close()"
    )
    subprocess.run(
        [sys.executable, "-c", code, str(brightest), backend],
        check=True,
        cwd=work,
        env={**os.environ, "HOME": str(home), "TMPDIR": str(work)},
    )
    assert list(work.iterdir()) == []
