"""Behind a ReLU, INT8 becomes UINT8 in memory: the same values, and nothing else changes."""

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper

from maskattn_edge.contract.model_file import read_model_file
from maskattn_edge.engines.quantization import unsigned_after_relu
from maskattn_edge.models import default_model


def quantized(*operators, mode="nearest"):
    """A graph of the operators in a row, its output quantised and dequantised."""
    nodes, last = [], "x"
    for index, kind in enumerate(operators):
        extra = {"mode": mode} if kind == "Resize" else {}
        inputs = [last, "", "scales"] if kind == "Resize" else [last]
        nodes.append(helper.make_node(kind, inputs, [f"t{index}"], **extra))
        last = f"t{index}"
    nodes.append(helper.make_node("QuantizeLinear", [last, "scale", "zero"], ["q"]))
    nodes.append(helper.make_node("DequantizeLinear", ["q", "scale", "zero"], ["y"]))
    arrays = {
        "scale": np.float32(0.1),
        "zero": np.int8(0),
        "scales": np.array([1, 1, 2, 2], np.float32),
    }
    shape = [1, 1, 4, 4]
    graph = helper.make_graph(
        nodes,
        "test",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)],
        [numpy_helper.from_array(np.array(value), name) for name, value in arrays.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    return model.SerializeToString()


def type_of_zero(data):
    graph = onnx.load_from_string(data).graph
    return next(entry.data_type for entry in graph.initializer if entry.name == "zero")


def run(data, x):
    session = onnxruntime.InferenceSession(data, providers=["CPUExecutionProvider"])
    return session.run(None, {"x": x})[0]


@pytest.mark.parametrize("operators", [["Relu"], ["Relu", "Resize"], ["Abs", "Relu", "Resize"]])
def test_same_values_behind_a_relu(operators):
    data = quantized(*operators)
    changed = unsigned_after_relu(data)
    assert type_of_zero(changed) == TensorProto.UINT8
    assert sum(a != b for a, b in zip(data, changed, strict=True)) == 1
    x = np.random.default_rng(0).uniform(-12, 12, (1, 1, 4, 4)).astype(np.float32)
    np.testing.assert_array_equal(run(changed, x), run(data, x))


@pytest.mark.parametrize("operators", [[], ["Neg"], ["Relu", "Neg"], ["Resize"]])
def test_values_that_may_be_negative_stay_signed(operators):
    data = quantized(*operators)
    assert unsigned_after_relu(data) == data


def test_cubic_interpolation_may_go_below_zero():
    data = quantized("Relu", "Resize", mode="cubic")
    assert unsigned_after_relu(data) == data


def test_a_zero_point_that_others_use_stays():
    model = onnx.load_from_string(quantized("Relu"))
    model.graph.node.append(helper.make_node("QuantizeLinear", ["x", "scale", "zero"], ["other"]))
    data = model.SerializeToString()
    assert unsigned_after_relu(data) == data


def test_a_zero_point_that_is_not_zero_stays():
    model = onnx.load_from_string(quantized("Relu"))
    for entry in model.graph.initializer:
        if entry.name == "zero":
            entry.CopyFrom(numpy_helper.from_array(np.array(3, np.int8), "zero"))
    data = model.SerializeToString()
    assert unsigned_after_relu(data) == data


def test_every_relu_of_the_shipped_model_is_reached():
    file = read_model_file(default_model())
    changed = unsigned_after_relu(file.data)
    onnx.checker.check_model(onnx.load_from_string(changed), full_check=True)
    different = sum(a != b for a, b in zip(file.data, changed, strict=True))
    assert different == file.operators["Relu"] > 0
