"""What a TensorRT without a GPU proves: its parser takes our files, typed as they are.

The package tensorrt-rtx-cu13 (232 MB on the disk, hence not among the development packages) has
TensorRT's parser and builder and needs no GPU to build. It drives the same `Builder` as the
engines. Its kernels are not those of TensorRT 10 and 11: activation memory is its own.
"""

import sys
from pathlib import Path

import numpy as np
import pytest

from maskattn_edge.contract.errors import ModelFileError
from maskattn_edge.contract.model_file import read_model_file
from maskattn_edge.engines.tensorrt.builder import Builder
from maskattn_edge.engines.tensorrt.child import build_in_child
from maskattn_edge.engines.tensorrt.departure import by_onnxruntime, inner_tensors, marked
from maskattn_edge.engines.tensorrt.fingerprint import BuildOptions
from maskattn_edge.engines.tensorrt.request import BuildRequest
from maskattn_edge.models import default_model

trt = pytest.importorskip("tensorrt_rtx", reason="pip install tensorrt-rtx-cu13 (232 MB)")

# It warns of every use of a timing cache, which it has but does not need.
pytestmark = pytest.mark.filterwarnings("ignore:.*TensorRT-RTX:DeprecationWarning")


def activation_bytes(log):
    line = next(line for line in log if line.startswith("Total Activation Memory"))
    return int(line.split(":")[1].split()[0])


def types(network, kinds=(trt.LayerType.CONVOLUTION, trt.LayerType.MATRIX_MULTIPLY)):
    """Data types of what convolutions and matrix products give."""
    layers = [network.get_layer(index) for index in range(network.num_layers)]
    return {layer.get_output(0).dtype for layer in layers if layer.type in kinds}


@pytest.fixture(params=["fp32", "fp16", "int8"])
def exported(request, report):
    return next(file.path for file in report.files if file.precision == request.param)


def test_every_precision_is_parsed_as_it_is_typed_and_built(exported):
    file = read_model_file(exported)
    builder = Builder(trt, file.data)
    typed = trt.NetworkDefinitionCreationFlag.STRONGLY_TYPED
    assert builder.network.get_flag(typed)
    assert builder.network.get_input(0).dtype == trt.uint8
    wide = {"fp32": {trt.float32}, "fp16": {trt.float16, trt.float32}}
    found = types(builder.network)
    if file.spec.precision.name == "int8":
        quantised = sum(
            builder.network.get_layer(index).type == trt.LayerType.QUANTIZE
            for index in range(builder.network.num_layers)
        )
        assert quantised > 10
        assert types(builder.network, (trt.LayerType.MATRIX_MULTIPLY,)) == {trt.float16}
    else:
        assert found <= wide[file.spec.precision.name]
        assert (trt.float16 in found) == (file.spec.precision.name == "fp16")
    plan = builder.build(BuildOptions())
    assert len(plan.data) > 10_000
    assert 0 < activation_bytes(plan.log) < 64 << 20


def test_blocks_in_fp16_are_parsed_and_built(checkpoint):
    """INT8 with two blocks back in floating point, as a budget may leave it."""
    from maskattn_export.graph import to_onnx
    from maskattn_export.int8 import place
    from maskattn_export.int8.blocks import blocks_of
    from maskattn_export.int8.islands import with_fp16_islands
    from maskattn_export.int8.qdq import in_float, in_int8
    from maskattn_export.samples import export_images

    fp32 = to_onnx(checkpoint.build(), checkpoint.input)
    int8 = place(fp32, export_images(checkpoint, None).calibration, "onnxruntime")
    chosen = {n for n, block in blocks_of(fp32.graph).items() if block in ("stage2", "laterals")}
    mixed = with_fp16_islands(in_float(int8, fp32, chosen))
    assert len(in_int8(int8.graph)) - len(in_int8(mixed.graph)) == 6
    builder = Builder(trt, mixed.SerializeToString())
    layers = [builder.network.get_layer(index) for index in range(builder.network.num_layers)]
    given = {layer.name: layer.get_output(0).dtype for layer in layers}
    assert given["stage2.0.0.Conv"] == given["lateral2.Conv"] == trt.float16
    assert len(builder.build(BuildOptions()).data) > 10_000


def reserved(onnx):
    """Activation bytes of an engine that runs its layers one after the other."""
    parsed = Builder(trt, onnx)
    config = parsed._builder.create_builder_config()
    config.max_aux_streams = 0
    assert parsed._builder.build_serialized_network(parsed.network, config) is not None
    return activation_bytes(parsed._logger.lines)


@pytest.fixture(scope="module")
def scratch():
    """Bytes that TensorRT for RTX reserves for any convolution, be it of four numbers.

    It takes them once for each stream; TensorRT 10 reserves what its kernels need.
    """
    from onnx import helper, numpy_helper

    ports = [helper.make_tensor_value_info(name, 1, (1, 4, 8, 8)) for name in ("x", "y")]
    weights = numpy_helper.from_array(np.ones((4, 4, 1, 1), np.float32), "w")
    node = helper.make_node("Conv", ["x", "w"], ["y"])
    graph = helper.make_graph([node], "one", ports[:1], ports[1:], [weights])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    return reserved(model.SerializeToString())


@pytest.mark.parametrize(
    "network",
    [
        pytest.param({"attention": "none"}, id="none"),
        pytest.param({"attention": "masked"}, id="masked"),
        pytest.param({"task": "panoptic", "things": (1, 2)}, id="panoptic"),
    ],
)
def test_int8_activations_of_size_s(network, scratch):
    from maskattn_edge.contract.spec import InputSpec
    from maskattn_export.graph import to_onnx
    from maskattn_export.int8 import place
    from maskattn_export.int8.islands import with_fp16_islands
    from maskattn_models.network import NetworkConfig, build_network

    built = build_network(NetworkConfig(classes=11, size="s", **network)).eval()
    images = list(np.random.default_rng(0).integers(0, 256, (8, 128, 128, 3), np.uint8))
    graph = to_onnx(built, InputSpec(height=128, width=128))
    model = with_fp16_islands(place(graph, images, "onnxruntime"))
    assert reserved(model.SerializeToString()) - scratch <= 4e6


def test_the_shipped_model_builds():
    file = read_model_file(default_model())
    plan = Builder(trt, file.data).build(BuildOptions())
    assert len(plan.data) <= 8e6
    assert activation_bytes(plan.log) > 0


def test_a_graph_that_the_parser_refuses_names_its_node(exported):
    import onnx

    model = onnx.load(exported)
    model.graph.node[-1].op_type = "NoSuchOperator"
    with pytest.raises(ModelFileError, match="TensorRT refuses it: node") as caught:
        Builder(trt, model.SerializeToString())
    assert "\n" not in str(caught.value)


def test_the_parser_takes_a_model_with_a_marked_tensor(exported):
    data = exported.read_bytes()
    names = inner_tensors(data)
    assert len(names) > 10
    file = read_model_file(exported)
    image = np.zeros((file.spec.input.height, file.spec.input.width, 3), np.uint8)
    value = by_onnxruntime(marked(data, names[5]), names[5], image)
    builder = Builder(trt, marked(data, names[5], value.dtype))
    network = builder.network
    assert len(builder.build(BuildOptions()).data) > 10_000
    assert {network.get_output(index).name for index in range(2)} == {"labels", names[5]}


def test_bytes_that_are_no_model():
    with pytest.raises(ModelFileError, match="TensorRT refuses it: "):
        Builder(trt, b"no model")


@pytest.fixture
def request_(tmp_path, report, monkeypatch):
    """A request, and an environment in which `import tensorrt` gives TensorRT for RTX."""
    site = tmp_path / "site"
    site.mkdir()
    (site / "tensorrt.py").write_text("from tensorrt_rtx import *\n__version__ = '10.99'\n")
    monkeypatch.setenv("PYTHONPATH", ":".join([str(site), *filter(None, sys.path)]))
    data = report.files[0].path.read_bytes()
    return BuildRequest(onnx=data, options=BuildOptions(), plan=str(tmp_path / "plan"))


def test_the_building_process(request_):
    steps = []
    built = build_in_child(request_, lambda *step: steps.append(step))
    assert Path(request_.plan).stat().st_size > 10_000
    assert built.peak_host_bytes > 10 << 20
    assert activation_bytes(built.log) > 0
    for phase, done, total in steps:
        assert phase
        assert 0 <= done <= max(total, done)


def test_the_building_process_refuses_what_the_parser_refuses(request_):
    from dataclasses import replace

    with pytest.raises(ModelFileError, match="TensorRT refuses it"):
        build_in_child(replace(request_, onnx=b"no model"))


def test_a_full_disk_under_the_building_process(request_):
    from dataclasses import replace

    from maskattn_edge.contract.errors import EngineError

    if not Path("/dev/full").exists():
        pytest.skip("this system has no /dev/full")
    with pytest.raises(EngineError, match=r"No space left on device.*free some space"):
        build_in_child(replace(request_, plan="/dev/full"))


def test_a_dla_that_is_not_there(exported):
    from maskattn_edge.contract.errors import EngineError

    builder = Builder(trt, exported.read_bytes())
    with pytest.raises(EngineError, match="DLA core 0 is not there.*leave --dla out"):
        builder.build(BuildOptions(dla=0))
