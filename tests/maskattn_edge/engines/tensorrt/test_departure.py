"""Bisection finds the layer that departs; ONNX Runtime stands in for both sides."""

import numpy as np
import onnx
import pytest
from onnx import TensorProto, checker, helper, numpy_helper

from maskattn_edge.engines.tensorrt.departure import (
    by_onnxruntime,
    first_departure,
    inner_tensors,
    marked,
)

IMAGE = np.random.default_rng(0).integers(0, 255, (16, 16, 3), np.uint8)


def chain(layers, broken=None):
    """Convolutions in a row; the weights of one may be wrong."""
    rng = np.random.default_rng(1)
    nodes = [
        helper.make_node("Cast", ["image"], ["float"], to=TensorProto.FLOAT),
        helper.make_node("Transpose", ["float"], ["t0"], perm=[0, 3, 1, 2]),
    ]
    weights = []
    for index in range(layers):
        values = rng.standard_normal((3, 3, 1, 1)).astype(np.float32)
        if index == broken:
            values = -values
        weights.append(numpy_helper.from_array(values, f"w{index}"))
        nodes.append(helper.make_node("Conv", [f"t{index}", f"w{index}"], [f"t{index + 1}"]))
    nodes += [
        helper.make_node("ArgMax", [f"t{layers}"], ["best"], axis=1, keepdims=0),
        helper.make_node("Cast", ["best"], ["labels"], to=TensorProto.UINT8),
    ]
    graph = helper.make_graph(
        nodes,
        "chain",
        [helper.make_tensor_value_info("image", TensorProto.UINT8, [1, 16, 16, 3])],
        [helper.make_tensor_value_info("labels", TensorProto.UINT8, [1, 16, 16])],
        weights,
    )
    opset = [helper.make_opsetid("", 18)]
    return helper.make_model(graph, opset_imports=opset, ir_version=9).SerializeToString()


def find(layers, broken):
    right, wrong = chain(layers), chain(layers, broken)
    probes = []

    def engine(name, dtype):
        probes.append(name)
        return by_onnxruntime(marked(wrong, name, dtype), name, IMAGE)

    found = first_departure(
        inner_tensors(right),
        engine,
        lambda name: by_onnxruntime(marked(right, name), name, IMAGE),
        tolerance=0.02,
    )
    return found, probes


@pytest.mark.parametrize("broken", range(9))
def test_the_broken_layer_is_found_in_few_probes(broken):
    found, probes = find(9, broken)
    assert found.tensor == f"t{broken + 1}"
    assert found.difference > 0.02
    assert len(probes) <= 5
    assert f"t{broken + 1}" in str(found)


def test_nothing_departs_after_one_probe():
    found, probes = find(9, None)
    assert found is None
    assert probes == ["t9"]


def test_not_a_number_departs():
    values = {"a": np.ones(3), "b": np.array([1, np.nan, 1])}
    found = first_departure(
        ["a", "b"], lambda name, dtype: values[name], lambda name: np.ones(3), tolerance=0.1
    )
    assert found.tensor == "b"


def test_a_graph_without_such_layers():
    assert first_departure([], None, None, tolerance=0.1) is None


def test_a_marked_model_is_a_whole_model():
    model = onnx.load_from_string(marked(chain(2), "t1", np.dtype(np.float16)))
    assert model.graph.output[1].type.tensor_type.elem_type == TensorProto.FLOAT16
    assert [output.name for output in model.graph.output] == ["labels", "t1"]
    assert len(model.graph.node) == 6
    checker.check_model(chain(2))
