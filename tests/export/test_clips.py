import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper

from maskattn_export.int8.clips import tighten_before_clips

ZERO = numpy_helper.from_array(np.int8(0), "zero")


def graph(*, read_twice=False):
    """x -> Q/DQ in wide steps -> Clip -> Q/DQ in fine steps -> y."""
    nodes = [
        helper.make_node("QuantizeLinear", ["x", "wide", "zero"], ["q1"]),
        helper.make_node("DequantizeLinear", ["q1", "wide", "zero"], ["d1"]),
        helper.make_node("Clip", ["d1", "low", "high"], ["a"]),
        helper.make_node("QuantizeLinear", ["a", "fine", "zero"], ["q2"]),
        helper.make_node("DequantizeLinear", ["q2", "fine", "zero"], ["y"]),
    ]
    outputs = ["y"]
    if read_twice:
        nodes.append(helper.make_node("Neg", ["d1"], ["other"]))
        outputs.append("other")
    numbers = {"wide": 0.5, "fine": 6 / 127, "low": 0.0, "high": 6.0}
    values = [numpy_helper.from_array(np.float32(value), name) for name, value in numbers.items()]
    named = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [64]) for name in outputs]
    entry = helper.make_tensor_value_info("x", TensorProto.FLOAT, [64])
    made = helper.make_graph(nodes, "test", [entry], named, [*values, ZERO])
    return helper.make_model(made, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)


def answer(model, x):
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = onnxruntime.InferenceSession(model.SerializeToString(), options)
    return session.run(["y"], {"x": x})[0]


def test_what_passes_keeps_its_precision():
    x = np.linspace(-40, 40, 64, dtype=np.float32)
    model = graph()
    before = np.abs(answer(model, x) - np.clip(x, 0, 6)).max()
    assert tighten_before_clips(model.graph) == 1
    after = np.abs(answer(model, x) - np.clip(x, 0, 6)).max()
    assert before > 0.2
    assert after <= 3 / 127 + 1e-6
    onnx.checker.check_model(model, full_check=True)


def test_what_another_node_reads_keeps_its_range():
    assert tighten_before_clips(graph(read_twice=True).graph) == 0


def test_a_scale_never_grows():
    model = graph()
    for tensor in model.graph.initializer:
        if tensor.name == "wide":
            tensor.CopyFrom(numpy_helper.from_array(np.float32(0.01), "wide"))
    assert tighten_before_clips(model.graph) == 0
    assert answer(model, np.full(64, 0.5, np.float32))[0] == pytest.approx(0.5, abs=0.03)
