"""Where Q/DQ stand for TensorRT, and what between them is fp16."""

import numpy as np
import onnx
import pytest
from onnx import helper, numpy_helper, shape_inference

from maskattn_edge.contract.model_file import describe, parse_model
from maskattn_edge.contract.spec import Licences
from maskattn_edge.engines import open_engine
from maskattn_export.description import base_spec
from maskattn_export.graph import IR_VERSION, to_onnx
from maskattn_export.int8 import place
from maskattn_export.int8.blocks import blocks_of
from maskattn_export.int8.fusion import fuse_for_tensorrt
from maskattn_export.int8.islands import OPSET, with_fp16_islands
from maskattn_export.int8.qdq import PAIR, in_float, in_int8
from maskattn_export.samples import export_images
from maskattn_models.checkpoint import load_checkpoint

FLOAT, HALF = onnx.TensorProto.FLOAT, onnx.TensorProto.FLOAT16


@pytest.fixture(scope="module")
def loaded(checkpoint_path):
    return load_checkpoint(checkpoint_path)


@pytest.fixture(scope="module")
def graph(loaded):
    return to_onnx(loaded.build(), loaded.input)


@pytest.fixture(scope="module")
def placed(loaded, graph):
    return place(graph, export_images(loaded, None).calibration, "onnxruntime")


@pytest.fixture(scope="module")
def mixed(placed):
    return with_fp16_islands(placed)


def makers(model):
    return {output: node for node in model.graph.node for output in node.output}


def types(model):
    """Type of what each node gives, by its name."""
    inferred = shape_inference.infer_shapes(model, strict_mode=True)
    known = (*inferred.graph.value_info, *inferred.graph.output)
    found = {port.name: port.type.tensor_type.elem_type for port in known}
    return {node.name: found[node.output[0]] for node in model.graph.node}


def test_each_sum_reads_its_convolution_directly_and_the_rest_in_int8(placed):
    made_by = makers(placed)
    sums = [node for node in placed.graph.node if node.name in ("Add", "Add_2", "Add_3")]
    assert len(sums) == 3
    for node in sums:
        lateral, other = (made_by[name] for name in node.input)
        assert lateral.name.startswith("lateral")
        assert lateral.op_type == "Conv"
        assert other.op_type == "DequantizeLinear"
        resize = made_by[made_by[other.input[0]].input[0]]
        assert resize.op_type == "Resize"
        assert made_by[resize.input[0]].op_type == "DequantizeLinear"
        (reader,) = (n for n in placed.graph.node if node.output[0] in n.input)
        assert reader.op_type == "QuantizeLinear"


def test_logits_are_not_rounded(placed):
    (head,) = (node for node in placed.graph.node if node.name == "head.Conv")
    readers = [node.op_type for node in placed.graph.node if head.output[0] in node.input]
    assert readers == ["Resize"]
    assert "head.Conv" in in_int8(placed.graph)


def pairs(graph):
    return sum(node.op_type == "QuantizeLinear" for node in graph.node)


def test_of_two_convolutions_one_stays_quantised():
    """x -> two convolutions -> sum -> Q, all quantised as a CPU likes it."""
    nodes = []

    def quantised(name):
        nodes.append(helper.make_node("QuantizeLinear", [name, "s", "z"], [f"{name}q"]))
        nodes.append(helper.make_node("DequantizeLinear", [f"{name}q", "s", "z"], [f"{name}d"]))
        return f"{name}d"

    x = quantised("x")
    for name in "ab":
        nodes.append(helper.make_node("Conv", [x, "w"], [name], name=name))
    nodes.append(helper.make_node("Add", [quantised("a"), quantised("b")], ["y"], name="sum"))
    quantised("y")
    constants = [
        numpy_helper.from_array(np.float32(0.1), "s"),
        numpy_helper.from_array(np.int8(0), "z"),
        numpy_helper.from_array(np.ones((1, 1, 1, 1), np.float32), "w"),
    ]
    ports = [helper.make_tensor_value_info(name, FLOAT, (1, 1, 4, 4)) for name in ("x", "yd")]
    graph = helper.make_graph(nodes, "two", ports[:1], ports[1:], constants)
    assert pairs(graph) == 4
    fuse_for_tensorrt(graph, kept=())
    (total,) = (node for node in graph.node if node.name == "sum")
    assert list(total.input) == ["a", "bd"]
    assert pairs(graph) == 3
    fuse_for_tensorrt(graph, kept=())
    assert pairs(graph) == 3


def test_attention_and_the_answer_are_fp16_and_what_int8_fuses_is_fp32(mixed):
    found = types(mixed)
    inside = [n.name for n in mixed.graph.node if n.op_type not in PAIR]
    attention = [name for name in inside if name.startswith("attention")]
    floats = {found[name] for name in attention} & {FLOAT, HALF}
    assert floats == {HALF}
    assert found["head.Conv"] == HALF
    assert {found[f"stage{index}.1.0.Conv"] for index in (1, 2, 3, 4)} == {FLOAT}
    assert found["lateral2.Conv"] == found["Add_2"] == FLOAT


def test_a_tensor_has_one_scale_whatever_its_type(mixed):
    """What a Q divides by in one type its DQ multiplies with in another."""
    made_by = makers(mixed)
    values = {t.name: numpy_helper.to_array(t) for t in mixed.graph.initializer}
    types_met = set()
    for node in mixed.graph.node:
        quantize = made_by.get(node.input[0])
        if node.op_type == "DequantizeLinear" and quantize is not None:
            before, after = values[quantize.input[1]], values[node.input[1]]
            types_met.add((before.dtype.name, after.dtype.name))
            assert before == pytest.approx(after, rel=2**-11)
    assert ("float16", "float32") in types_met
    assert ("float32", "float16") in types_met


def test_the_file_is_one_that_old_readers_take(mixed):
    assert mixed.ir_version == IR_VERSION
    assert [entry.version for entry in mixed.opset_import] == [OPSET]
    assert OPSET <= 20
    assert mixed.graph.input[0].type.tensor_type.elem_type == onnx.TensorProto.UINT8
    assert {node.name for node in mixed.graph.node if node.op_type == "Cast"} == {"Cast", "Cast_2"}


def test_a_block_out_of_int8_is_fp16(graph, placed):
    chosen = {name for name, block in blocks_of(graph.graph).items() if block == "decode2"}
    found = types(with_fp16_islands(in_float(placed, graph, chosen)))
    assert found["decode2.0.Conv"] == found["decode2.2.Relu"] == found["Add_2"] == HALF
    assert found["decode3.0.Conv"] == HALF  # INT8 in, and what reads it is of the island
    assert found["decode1.0.Conv"] == found["stage1.0.0.Conv"] == FLOAT


def test_nothing_in_int8_is_the_fp16_file(graph, placed):
    bare = in_float(placed, graph, {node.name for node in graph.graph.node})
    half = with_fp16_islands(bare)
    assert not [node for node in half.graph.node if node.op_type in PAIR]
    assert FLOAT not in types(half).values()


@pytest.mark.parametrize("backend", ["onnxruntime", "openvino"])
def test_engines_give_the_answers_of_the_fp32_graph(loaded, graph, mixed, backend):
    if backend == "openvino":
        pytest.importorskip("openvino")
    spec = base_spec(loaded, name="x", licences=Licences(), golden=())
    answers = []
    for model in (graph, mixed):
        file = parse_model(describe(model.SerializeToString(), spec), "x.onnx")
        with open_engine(file, backend=backend) as engine:
            images = [image for image, _ in export_images(loaded, None).held_out]
            answers.append(np.stack([engine.infer(image[None]).labels for image in images]))
    assert np.mean(answers[0] == answers[1]) > 0.99
