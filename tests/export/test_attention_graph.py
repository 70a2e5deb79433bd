"""The exported attention: which nodes it is made of, and what they compute."""

from collections import Counter
from functools import cache

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from onnx.reference import ReferenceEvaluator
from onnx.utils import Extractor

from maskattn_edge.contract.spec import InputSpec
from maskattn_export.graph import to_onnx
from maskattn_export.half import to_fp16
from maskattn_export.int8 import kept_nodes, place
from maskattn_models.network import MASKED, NetworkConfig, build_network

SIZE = InputSpec(height=32, width=48)
SIDE = (4, 6)  # of the 1/8 grid
INNER, KEYS = 64, 24

WITH_MASK = [
    "Split",
    *["Reshape"] * 3,  # Q, K and V into heads
    "Reshape",  # the mask's channel into (1, 1, 1, N)
    *["Mul", "Transpose", "MatMul"],  # Q, scaled before the product
    *["Greater", "Where", "Add"],  # the mask
    "Softmax",
    *["Transpose", "MatMul"],
    *["Transpose", "Reshape"],  # back to the grid
]
"""All nodes from the QKV convolution to the projection, in the graph's order."""

MASK_ALONE = Counter(["Reshape", "Greater", "Where", "Add"])


def network(attention):
    torch.manual_seed(0)
    return build_network(
        NetworkConfig(classes=3, size="n", height=32, width=48, attention=attention)
    ).eval()


@cache
def graph(attention):
    return to_onnx(network(attention), SIZE)


@pytest.fixture(params=["masked", "plain"])
def exported(request):
    return request.param, graph(request.param)


@pytest.fixture
def masked():
    return graph("masked")


def core(model, block="attention3"):
    """The part of a graph between a block's two convolutions."""
    (project,) = [node for node in model.graph.node if node.name == f"{block}.project.Conv"]
    inferred = onnx.shape_inference.infer_shapes(model)
    return Extractor(inferred).extract_model([f"{block}.qkv.Conv"], [project.input[0]])


def attended(qkv, parts):
    """What PyTorch makes of the same Q, K, V and mask, each (1, C, H, W): (1, I, H, W) float64."""
    query, key, value, *mask = (
        part.flatten(2).double() for part in torch.from_numpy(qkv).float().split(parts, dim=1)
    )
    heads = [part.unflatten(1, (-1, 32)) for part in (query, key, value)]
    scores = heads[0].transpose(2, 3) @ heads[1] / 32**0.5
    if mask:
        scores = scores + torch.where(mask[0][:, :, None] > 0, 0.0, MASKED)
    mixed = scores.softmax(-1) @ heads[2].transpose(2, 3)
    return mixed.transpose(2, 3).reshape(1, -1, *SIDE).numpy()


@pytest.mark.parametrize("block", ["attention3", "attention4"])
def test_the_nodes_are_these(exported, block):
    attention, model = exported
    found = [node.op_type for node in core(model, block).graph.node]
    if attention == "masked":
        assert found == WITH_MASK
        assert len(found) == 16
    else:
        assert Counter(WITH_MASK) - Counter(found) == MASK_ALONE
        assert len(found) == 12


def test_scores_go_from_product_to_product_by_add_and_softmax_alone(exported):
    attention, model = exported
    nodes = core(model).graph.node
    first, second = [node for node in nodes if node.op_type == "MatMul"]
    path, at = [], first
    while at is not second:
        (at,) = [node for node in nodes if at.output[0] in node.input]
        path.append(at.op_type)
    assert path == (["Add"] if attention == "masked" else []) + ["Softmax", "MatMul"]


def test_the_mask_touches_one_channel(masked):
    part = onnx.shape_inference.infer_shapes(core(masked))
    shapes = {
        value.name: [axis.dim_value for axis in value.type.tensor_type.shape.dim]
        for value in part.graph.value_info
    }
    for node in part.graph.node:
        if node.op_type in ("Greater", "Where"):
            assert shapes[node.output[0]] == [1, 1, 1, KEYS]
        if node.op_type == "Add":
            assert shapes[node.output[0]] == [1, 2, KEYS, KEYS]


def random_qkv(channels, size, kept, dtype=np.float32):
    rng = np.random.default_rng(0)
    qkv = rng.uniform(-size, size, (1, channels, *SIDE))
    if channels > 3 * INNER and kept != "some":
        qkv[:, -1] = {"all": 1, "none": -1}[kept] * np.abs(qkv[:, -1])
    return qkv.astype(dtype)


@pytest.mark.parametrize("kept", ["some", "all", "none"])
def test_fp32_equals_pytorch(exported, kept):
    _, model = exported
    part = core(model)
    channels = part.graph.input[0].type.tensor_type.shape.dim[1].dim_value
    qkv = random_qkv(channels, 1.0, kept)
    session = onnxruntime.InferenceSession(part.SerializeToString())
    (answer,) = session.run(None, {"attention3.qkv.Conv": qkv})
    parts = [INNER] * 3 + [1] * (channels - 3 * INNER)
    np.testing.assert_allclose(answer, attended(qkv, parts), rtol=1e-5, atol=1e-5)


def in_half(model, qkv):
    """The fp16 core's answer, each operation in NumPy's fp16, and ONNX Runtime's."""
    half = core(to_fp16(model))
    feed = {"attention3.qkv.Conv": qkv}
    with np.errstate(over="ignore"):  # scores 130,000 apart: -inf, whose exponential is rightly 0
        (slow,) = ReferenceEvaluator(half).run(None, feed)
    (fast,) = onnxruntime.InferenceSession(half.SerializeToString()).run(None, feed)
    assert slow.dtype == fast.dtype == np.float16
    return slow, fast


@pytest.mark.parametrize("kept", ["some", "all", "none"])
@pytest.mark.parametrize("size", [1e-3, 1.0, 30.0, 100.0])
def test_fp16_is_finite_whatever_the_magnitude(masked, size, kept):
    qkv = random_qkv(3 * INNER + 1, size, kept, np.float16)
    if kept == "none":
        qkv[:, -1] = -6e4
    for answer in in_half(masked, qkv):
        assert np.isfinite(answer).all()
        assert np.abs(answer).max() <= 1.01 * size  # a mean of values


def test_fp16_at_the_largest_scores(masked):
    qkv = np.zeros((1, 3 * INNER + 1, *SIDE), np.float16)
    qkv[:, : 2 * INNER] = 107.0  # 32 * 107^2 / sqrt(32) = 64,766; fp16 ends at 65,504
    qkv[:, INNER : 2 * INNER, ::2] *= -1
    qkv[:, 2 * INNER : 3 * INNER] = np.linspace(-1, 1, KEYS).reshape(SIDE)
    for answer in in_half(masked, qkv):
        assert np.isfinite(answer).all()


def test_fp16_equals_pytorch_within_its_precision(masked):
    qkv = random_qkv(3 * INNER + 1, 1.0, "some", np.float16)
    expected = attended(qkv, [INNER] * 3 + [1])
    for answer in in_half(masked, qkv):
        np.testing.assert_allclose(answer, expected, rtol=5e-3, atol=5e-3)


def test_a_convolution_in_its_place_is_quantised():
    model = graph("convolution")
    assert kept_nodes(model) == []
    images = list(np.random.default_rng(0).integers(0, 256, (8, 32, 48, 3), np.uint8))
    quantised = place(model, images, "onnxruntime")
    made_by = {output: node.op_type for node in quantised.graph.node for output in node.output}
    inputs = {
        node.name: made_by.get(node.input[1])
        for node in quantised.graph.node
        if node.op_type == "Conv"
    }
    assert inputs["attention3.0.Conv"] == inputs["stage3.0.0.Conv"] == "DequantizeLinear"
