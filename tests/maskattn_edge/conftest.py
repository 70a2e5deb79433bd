"""Small model files made without torch, and the command line as a user calls it."""

import os
import subprocess
import sys
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path

import numpy as np
import pytest

import maskattn_edge
from maskattn_edge.contract import ClassInfo, InputSpec, ModelSpec, PrecisionSpec, write_model_file

COLORS = ((220, 60, 60), (60, 200, 60), (60, 60, 220))
ROOT = Path(maskattn_edge.__file__).parents[1]

RunCli = Callable[..., subprocess.CompletedProcess[str]]


@lru_cache
def brightest_channel_onnx(height: int, width: int) -> bytes:
    """An ONNX file whose label is the brightest channel: 0 red, 1 green, 2 blue."""
    from onnx import TensorProto, checker, helper

    nodes = [
        helper.make_node("Cast", ["image"], ["numbers"], to=TensorProto.FLOAT),
        helper.make_node("Transpose", ["numbers"], ["channels"], perm=[0, 3, 1, 2]),
        helper.make_node("Conv", ["channels", "weight"], ["logits"]),
        helper.make_node("ArgMax", ["logits"], ["best"], axis=1, keepdims=0),
        helper.make_node("Cast", ["best"], ["labels"], to=TensorProto.UINT8),
    ]
    shape = [1, height, width]
    image = helper.make_tensor_value_info("image", TensorProto.UINT8, [*shape, 3])
    labels = helper.make_tensor_value_info("labels", TensorProto.UINT8, shape)
    weight = helper.make_tensor("weight", TensorProto.FLOAT, [3, 3, 1, 1], np.eye(3).ravel())
    graph = helper.make_graph(nodes, "tiny", [image], [labels], [weight])
    opset = helper.make_opsetid("", 17)
    model = helper.make_model(graph, opset_imports=[opset], ir_version=8)
    checker.check_model(model)
    return model.SerializeToString()


def tiny_spec(height: int, width: int) -> ModelSpec:
    """The description of that file."""
    return ModelSpec(
        name="tiny",
        task="semantic",
        classes=tuple(
            ClassInfo(name, color)
            for name, color in zip(("red", "green", "blue"), COLORS, strict=True)
        ),
        input=InputSpec(height=height, width=width),
        precision=PrecisionSpec(name="fp32"),
    )


@pytest.fixture
def tiny_onnx() -> bytes:
    """The bytes of a plain ONNX file, 32x48, without a description."""
    return brightest_channel_onnx(32, 48)


@pytest.fixture
def tiny_model(tmp_path: Path) -> Path:
    """A described model file, 32x48, whose label is the brightest channel of a pixel."""
    path = tmp_path / "tiny.onnx"
    write_model_file(path, brightest_channel_onnx(32, 48), tiny_spec(32, 48))
    return path


@pytest.fixture(scope="session")
def cli_environment() -> dict[str, str]:
    """The environment of a subprocess that imports the package under test, before all others."""
    path = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
    return {**os.environ, "PYTHONPATH": path, "COLUMNS": "200"}


@pytest.fixture(scope="session")
def run_cli(cli_environment: dict[str, str]) -> RunCli:
    """Call the command line in a process of its own."""

    def run(*arguments: object, timeout: float = 60) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "maskattn_edge", *map(str, arguments)],
            capture_output=True,
            text=True,
            timeout=timeout,
            env=cli_environment,
            check=False,
        )

    return run
