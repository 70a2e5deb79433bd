"""ArgMax in other words gives the same labels, and nothing else is touched."""

import numpy as np
import pytest
from onnx import TensorProto, helper

from maskattn_edge.contract.model_file import read_model_file
from maskattn_edge.engines import open_engine
from maskattn_edge.engines.openvino_argmax import replace_argmax
from maskattn_edge.engines.samples import sample_images
from maskattn_edge.models import default_model

openvino = pytest.importorskip("openvino")


def model_of(*nodes, shape=(1, 5, 4, 6), outputs=("y",)):
    graph = helper.make_graph(
        list(nodes),
        "test",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info(name, TensorProto.UNDEFINED, None) for name in outputs],
        [helper.make_tensor("one", TensorProto.INT64, [1], [1])],
    )
    onnx_model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    return openvino.Core().read_model(onnx_model.SerializeToString())


def run(model, x):
    return np.array(openvino.compile_model(model, "CPU")([x])[0])


def argmax(axis=1, keepdims=0):
    return helper.make_node("ArgMax", ["x"], ["y"], axis=axis, keepdims=keepdims)


@pytest.mark.parametrize("keepdims", [0, 1])
def test_same_labels_and_the_first_of_equals(keepdims):
    model = model_of(argmax(keepdims=keepdims))
    assert replace_argmax(openvino, model) == 1
    assert "TopK" not in {node.get_type_name() for node in model.get_ops()}
    x = np.random.default_rng(0).integers(-2, 3, (1, 5, 4, 6)).astype(np.float32)  # many ties
    found = run(model, x)
    np.testing.assert_array_equal(found, x.argmax(1, keepdims=bool(keepdims)))
    assert found.dtype == np.int64


def test_what_is_no_argmax_over_classes_stays():
    top = helper.make_node("TopK", ["x", "one"], ["v", "y"], axis=1)
    for model in (
        model_of(argmax(axis=3)),
        model_of(argmax(), shape=(1, 5)),
        model_of(top, outputs=("y", "v")),
    ):
        assert replace_argmax(openvino, model) == 0


def test_the_shipped_model_answers_as_before(monkeypatch):
    file = read_model_file(default_model())
    images = sample_images(file)
    with open_engine(file, backend="openvino", threads=1) as engine:
        after = [engine.infer(image[None]).labels for image in images]
    monkeypatch.setattr("maskattn_edge.engines.openvino.replace_argmax", lambda *_: 0)
    with open_engine(file, backend="openvino", threads=1) as engine:
        before = [engine.infer(image[None]).labels for image in images]
    np.testing.assert_array_equal(after, before)
