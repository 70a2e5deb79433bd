"""A convolution for each part gives what the split gave, and nothing else is touched."""

import numpy as np
import pytest
from onnx import TensorProto, helper, numpy_helper

from maskattn_edge.engines.openvino_split import split_convolutions

openvino = pytest.importorskip("openvino")

SIZES = [3, 4, 1]


def model_of(*, axis=1, sizes=SIZES, bias=True, shown=False, weights=(8, 5, 3, 3)):
    """Conv of 5 to 8 channels and its Split; `shown`: the whole is an output too."""
    rng = np.random.default_rng(0)
    tensors = {
        "w": rng.normal(size=weights).astype(np.float32),
        "b": rng.normal(size=8).astype(np.float32),
        "sizes": np.array(sizes),
    }
    inputs = ["x", "w", "b"] if bias else ["x", "w"]
    parts = [f"part{number}" for number in range(len(sizes))]
    graph = helper.make_graph(
        [
            helper.make_node("Conv", inputs, ["all"], pads=[1, 1, 1, 1], strides=[2, 1]),
            helper.make_node("Split", ["all", "sizes"], parts, axis=axis),
        ],
        "test",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, (1, 5, 6, 8))],
        [
            helper.make_tensor_value_info(name, TensorProto.UNDEFINED, None)
            for name in (*parts, *(["all"] if shown else []))
        ],
        [numpy_helper.from_array(array, name) for name, array in tensors.items()],
    )
    onnx_model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    return openvino.Core().read_model(onnx_model.SerializeToString())


def run(model):
    x = np.random.default_rng(1).normal(size=(1, 5, 6, 8)).astype(np.float32)
    compiled = openvino.compile_model(model, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    return [np.array(answer) for answer in compiled([x]).values()]


def test_each_part_is_the_same():
    expected = run(model_of())
    model = model_of()
    assert split_convolutions(openvino, model) == 1
    found = run(model)
    assert [part.shape for part in found] == [(1, size, 3, 8) for size in SIZES]
    for part, wanted in zip(found, expected, strict=True):
        np.testing.assert_allclose(part, wanted, atol=1e-5)


@pytest.mark.parametrize(
    "other", [{"axis": 3, "sizes": [4, 3, 1]}, {"bias": False}, {"shown": True}]
)
def test_another_split_stays(other):
    assert split_convolutions(openvino, model_of(**other)) == 0
