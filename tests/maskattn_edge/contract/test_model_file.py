"""The model file: what is written is read, and nothing hostile passes."""

import contextlib
from pathlib import Path

import numpy as np
import onnx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import TensorProto, helper

from maskattn_edge.contract import model_file
from maskattn_edge.contract.classes import numbered_classes
from maskattn_edge.contract.errors import ModelFileError
from maskattn_edge.contract.model_file import describe, parse_model, read_model_file
from maskattn_edge.contract.spec import Golden, InputSpec, ModelSpec, PrecisionSpec


def graph(
    *,
    shape=(1, 16, 24, 3),
    image="image",
    output="labels",
    dtype=TensorProto.UINT8,
    opset=18,
    domain="",
    external=False,
):
    """uint8 image -> the first channel as labels; each argument breaks one rule."""
    first = helper.make_tensor("first", TensorProto.INT64, [1], [0])
    if external:
        first.ClearField("int64_data")
        first.data_location = TensorProto.EXTERNAL
        entry = first.external_data.add()
        entry.key, entry.value = "location", "/etc/passwd"
    nodes = [
        helper.make_node("Gather", [image, "index"], [output], axis=3, domain=domain),
    ]
    index = helper.make_tensor("index", TensorProto.INT64, [], [0])
    model = helper.make_model(
        helper.make_graph(
            nodes,
            "test",
            [helper.make_tensor_value_info(image, dtype, shape)],
            [helper.make_tensor_value_info(output, dtype, shape[:-1])],
            [index, first],
        ),
        opset_imports=[helper.make_opsetid("", opset)],
    )
    return model.SerializeToString()


def spec(**changes):
    values = {
        "name": "test",
        "task": "semantic",
        "classes": numbered_classes(3),
        "input": InputSpec(height=16, width=24),
        "precision": PrecisionSpec(name="fp32"),
    }
    return ModelSpec(**values | changes)


@pytest.fixture
def write(tmp_path):
    def write_bytes(data):
        path = tmp_path / "model.onnx"
        path.write_bytes(data)
        return path

    return write_bytes


def test_round_trip(write):
    golden = (Golden(image=b"\x89PNG\x00\xff", labels=b"x"),)
    wanted = spec(samples=golden)
    file = read_model_file(write(describe(graph(), wanted)))
    assert file.spec == wanted
    assert file.described
    assert file.opset == 18
    assert file.operators == {"Gather": 1}
    assert [str(port) for port in file.inputs] == ["image uint8 (1, 16, 24, 3)"]


def test_the_onnx_package_reads_what_we_write():
    model = onnx.load_from_string(describe(graph(), spec()))
    onnx.checker.check_model(model, full_check=True)
    assert [entry.key for entry in model.metadata_props] == ["maskattn_edge"]


def test_a_second_description_replaces_the_first():
    once = describe(graph(), spec(name="first"))
    model = onnx.load_from_string(describe(once, spec(name="second")))
    assert len(model.metadata_props) == 1
    assert '"second"' in model.metadata_props[0].value


def test_other_metadata_is_kept():
    model = onnx.load_from_string(graph())
    entry = model.metadata_props.add()
    entry.key, entry.value = "author", "somebody"
    described = onnx.load_from_string(describe(model.SerializeToString(), spec()))
    assert {entry.key for entry in described.metadata_props} == {"author", "maskattn_edge"}


def test_a_file_without_description_has_numbered_classes(write):
    file = read_model_file(write(graph()))
    assert not file.described
    assert file.spec.name == "model"
    assert file.spec.classes[2].name == "2"


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "not a complete ONNX file"),
        (b"\x80\x04K\x01.", "not a complete ONNX file"),
        (b"hello, this is text", "not a complete ONNX file"),
        (graph()[:60], "not a complete ONNX file"),
        (graph(dtype=TensorProto.FLOAT), r"must be `image uint8 \(1, H, W, 3\)`"),
        (graph(image="input"), "must be `image uint8"),
        (graph(shape=(2, 16, 24, 3)), "must be `image uint8"),
        (graph(shape=(1, "h", 24, 3)), "must be `image uint8"),
        (graph(output="mask"), "its output must be `labels"),
        (graph(opset=13), "opset 13, engines take 17 to 20"),
        (graph(domain="com.evil"), "com.evil::Gather"),
        (graph(external=True), "another file, which is never opened"),
    ],
)
def test_files_that_break_the_contract(write, data, message):
    path = write(data)
    with pytest.raises(ModelFileError, match=message) as caught:
        read_model_file(path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_missing_file(tmp_path):
    with pytest.raises(ModelFileError, match="no such file"):
        read_model_file(tmp_path / "none.onnx")


def test_file_beyond_the_bound(write, monkeypatch):
    monkeypatch.setattr(model_file, "MAX_FILE_BYTES", 10)
    with pytest.raises(ModelFileError, match="at most 10"):
        read_model_file(write(graph()))


def with_description(text):
    model = onnx.load_from_string(graph())
    entry = model.metadata_props.add()
    entry.key, entry.value = "maskattn_edge", text
    return model.SerializeToString()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "not valid"),
        ("[]", "not valid"),
        ('{"schema": 2}', "schema 2, this version reads schema 1"),
        ('{"schema": 1}', "not valid"),
        ("[" * 100_000, "not valid"),
    ],
)
def test_descriptions_that_are_not(write, text, message):
    with pytest.raises(ModelFileError, match=message):
        read_model_file(write(with_description(text)))


@pytest.mark.parametrize(
    ("before", "after", "message"),
    [
        ('"height":16', '"height":32', "takes 16x24"),
        ('"semantic"', '"panoptic"', "its outputs are semantic"),
        ('"semantic"', '"detect"', "not valid"),
        ('"stretch"', '"crop"', "not valid"),
        ('"name":"1"', '"name":""', "not valid"),
        ('"name":"test"', '"name":"test","run":"rm"', "not valid"),
    ],
)
def test_descriptions_that_do_not_fit(write, before, after, message):
    model = onnx.load_from_string(describe(graph(), spec()))
    text = model.metadata_props[0].value
    assert before in text
    with pytest.raises(ModelFileError, match=message):
        read_model_file(write(with_description(text.replace(before, after, 1))))


def test_a_description_that_does_not_fit_is_not_written(tmp_path):
    path = tmp_path / "model.onnx"
    path.write_bytes(b"the former file")
    with pytest.raises(ModelFileError, match="takes 16x24"):
        model_file.write_model_file(path, graph(), spec(input=InputSpec(height=8, width=8)))
    assert path.read_bytes() == b"the former file"


@settings(max_examples=300, deadline=None)
@given(st.data())
def test_damaged_files_never_escape_as_another_error(data):
    whole = bytearray(describe(graph(), spec()))
    for _ in range(data.draw(st.integers(1, 4))):
        whole[data.draw(st.integers(0, len(whole) - 1))] = data.draw(st.integers(0, 255))
    cut = data.draw(st.integers(0, len(whole)))
    with contextlib.suppress(ModelFileError):
        parse_model(bytes(whole[:cut]), Path("x.onnx"))


def test_panoptic_outputs_are_recognised():
    height, width, rows = 16, 24, 5
    ports = [
        helper.make_tensor_value_info("labels", TensorProto.UINT8, [1, height, width]),
        helper.make_tensor_value_info("instances", TensorProto.UINT8, [1, height, width]),
        helper.make_tensor_value_info("instance_class", TensorProto.UINT8, [1, rows]),
        helper.make_tensor_value_info("instance_score", TensorProto.FLOAT, [1, rows]),
        helper.make_tensor_value_info("instance_box", TensorProto.INT32, [1, rows, 4]),
    ]
    arrays = {
        "instances": np.zeros((1, height, width), np.uint8),
        "instance_class": np.zeros((1, rows), np.uint8),
        "instance_score": np.zeros((1, rows), np.float32),
        "instance_box": np.zeros((1, rows, 4), np.int32),
    }
    model = onnx.load_from_string(graph())
    del model.graph.output[:]
    model.graph.output.extend(ports)
    model.graph.initializer.extend(onnx.numpy_helper.from_array(a, n) for n, a in arrays.items())
    described = describe(model.SerializeToString(), spec(task="panoptic"))
    assert parse_model(described, Path("x")).spec.task == "panoptic"
