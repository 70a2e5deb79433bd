"""Files whose graph tells objects apart: they answer as PyTorch does, and say what they hold."""

import json
from dataclasses import replace

import msgspec
import numpy as np
import onnx
import onnxruntime as ort
import pytest
import torch

from maskattn_edge.contract.classes import ClassInfo
from maskattn_edge.contract.errors import EngineVerificationError, ModelFileError
from maskattn_edge.contract.model_file import read_model_file
from maskattn_edge.contract.spec import Golden, InputSpec, decode_spec, encode_spec
from maskattn_edge.engines import open_engine
from maskattn_edge.engines.tensorrt.verification import compare, reference_of
from maskattn_edge.latency import LatencySettings
from maskattn_edge.pictures import decode_labels, decode_rgb
from maskattn_export import verify as verification
from maskattn_export.exporter import export_checkpoint
from maskattn_export.graph import run_torch, to_onnx
from maskattn_export.settings import ExportSettings
from maskattn_models.answers import answers
from maskattn_models.checkpoint import Checkpoint, load_checkpoint, pack_samples, save_checkpoint
from maskattn_models.network import Deployed, NetworkConfig, build_network, enlarge
from maskattn_models.training.batch import Batch
from maskattn_models.training.object_loss import object_loss
from maskattn_models.training.object_targets import ObjectTask

SIDE = 32
QUICK = LatencySettings(warmup_frames=0, min_frames=1, min_seconds=0)
CLASSES = (ClassInfo("ground", (90, 90, 90)), ClassInfo("box", (250, 200, 20), thing=True))
CONFIG = NetworkConfig(
    classes=2, size="n", height=SIDE, width=SIDE, dropout=0.0, task="panoptic", things=(1,)
)
PORTS = {
    "labels": ("tensor(uint8)", [1, SIDE, SIDE]),
    "instances": ("tensor(uint8)", [1, SIDE, SIDE]),
    "instance_class": ("tensor(uint8)", [1, 32]),
    "instance_score": ("tensor(float)", [1, 32]),
    "instance_box": ("tensor(int32)", [1, 32, 4]),
}


def boxes(rng):
    """A bright box on the left and one on the right, which may touch."""
    image = rng.integers(0, 80, (SIDE, SIDE, 3), np.uint8)
    instances = np.zeros((SIDE, SIDE), np.uint8)
    for number, left in enumerate((0, 16), start=1):
        top = int(rng.integers(0, 16))
        instances[top : top + 16, left + 1 : left + 15] = number
    image[instances > 0, 0] += 150
    image[instances == 1, 1] += 120
    return image, (instances > 0).astype(np.uint8), instances


@pytest.fixture(scope="session")
def objects_path(tmp_path_factory):
    """Size n on 32x32, trained for a few steps to tell two boxes apart."""
    torch.manual_seed(0)
    rng = np.random.default_rng(0)
    triples = [boxes(rng) for _ in range(48)]
    images, labels, instances = (list(part) for part in zip(*triples, strict=True))
    network = build_network(CONFIG).train()
    pixels = Deployed(network).normalize(torch.from_numpy(np.stack(images)).float())
    truth = torch.from_numpy(np.stack(labels))
    batch = Batch(pixels, truth, torch.from_numpy(np.stack(instances)))
    targets = ObjectTask(CONFIG, torch.device("cpu"))(batch)
    optimizer = torch.optim.AdamW(network.parameters(), 5e-3)
    for _ in range(40):
        maps = network.heads(pixels)
        loss = torch.nn.functional.cross_entropy(enlarge(maps.logits), truth.long())
        loss = loss + object_loss(maps, targets, centre_weight=1.0, offset_weight=1.0)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    path = tmp_path_factory.mktemp("objects") / "best.pt"
    held_out = list(zip(images[32:], labels[32:], strict=True))
    save_checkpoint(
        path,
        Checkpoint(
            network=CONFIG,
            weights=network.eval().state_dict(),
            classes=CLASSES,
            input=InputSpec(height=SIDE, width=SIDE),
            task="panoptic",
            training={"data": "boxes"},
            samples=pack_samples(images[:32], held_out, instances[32:]),
        ),
    )
    return path


@pytest.fixture(scope="session")
def exported(objects_path, tmp_path_factory):
    return export_checkpoint(
        objects_path,
        ExportSettings(precisions=("fp16", "int8")),
        folder=tmp_path_factory.mktemp("exported"),
        timing=QUICK,
    )


@pytest.fixture
def files(exported):
    return {file.precision: read_model_file(file.path) for file in exported.files}


def test_the_network_learned_and_the_files_keep_it(exported):
    assert exported.torch_pq > 0.8
    fp32, fp16, int8 = (file.verification for file in exported.files)
    assert fp32.matched == 1.0
    assert fp32.pq == pytest.approx(exported.torch_pq, abs=1e-3)
    assert fp16.matched > 0.95
    assert int8.matched > 0.8
    assert int8.pq > exported.torch_pq - 0.1


@pytest.mark.parametrize("precision", ["fp32", "fp16", "int8"])
def test_outputs_are_those_of_the_contract(files, precision):
    session = ort.InferenceSession(files[precision].data, providers=["CPUExecutionProvider"])
    assert {port.name: (port.type, port.shape) for port in session.get_outputs()} == PORTS
    assert files[precision].spec.task == "panoptic"
    operators = set(files[precision].operators)
    assert operators.isdisjoint({"If", "Loop", "Scan", "NonZero", "NonMaxSuppression"})


@pytest.mark.parametrize("precision", ["fp32", "fp16", "int8"])
def test_uint8_is_at_the_graphs_ends_only(files, precision):
    """TensorRT refuses it elsewhere."""
    model = onnx.load_from_string(files[precision].data)
    ends = {port.name for port in model.graph.output}
    casts = [
        node.output[0]
        for node in model.graph.node
        if node.op_type == "Cast" and node.attribute[0].i == onnx.TensorProto.UINT8
    ]
    assert set(casts) == {"labels", "instances", "instance_class"} <= ends


@pytest.mark.parametrize("precision", ["fp32", "fp16", "int8"])
def test_tensorrt_builds_the_files_strongly_typed(files, precision):
    trt = pytest.importorskip("tensorrt_rtx_bindings", reason="tensorrt-rtx is not installed")
    logger = trt.Logger(trt.Logger.ERROR)
    builder = trt.Builder(logger)
    network = builder.create_network(1 << int(trt.NetworkDefinitionCreationFlag.STRONGLY_TYPED))
    parser = trt.OnnxParser(network, logger)
    assert parser.parse(files[precision].data), str(parser.get_error(0))
    assert builder.build_serialized_network(network, builder.create_builder_config()) is not None


@pytest.mark.parametrize("size", ["n", "s"])
def test_the_fp32_graph_answers_exactly_as_pytorch_with_random_weights(size):
    torch.manual_seed(1)
    config = replace(CONFIG, size=size, height=64, width=96, classes=5, things=(0, 1, 2, 4))
    network = build_network(config).eval()
    with torch.no_grad():  # else a fresh network has few peaks and one class
        network.object_head.weight *= 5
        network.object_head.bias[0] = 0
        network.head.weight *= 10
    graph = to_onnx(network, InputSpec(height=64, width=96)).SerializeToString()
    session = ort.InferenceSession(graph, providers=["CPUExecutionProvider"])
    images = np.random.default_rng(0).integers(0, 256, (4, 64, 96, 3), np.uint8)
    for image, expected in zip(images, answers(Deployed(network).eval(), images), strict=True):
        assert_same(session.run(None, {"image": image[None]}), expected)
        assert expected.instances.score.max() > 0


def test_the_fp32_graph_answers_exactly_as_pytorch_with_trained_weights(files, objects_path):
    checkpoint = load_checkpoint(objects_path)
    session = ort.InferenceSession(files["fp32"].data, providers=["CPUExecutionProvider"])
    images = [boxes(np.random.default_rng(seed))[0] for seed in range(100, 104)]
    for image, expected in zip(images, run_torch(checkpoint.build(), images), strict=True):
        assert_same(session.run(None, {"image": image[None]}), expected)


def assert_same(outputs, expected):
    labels, instances, kinds, scores, boxes = (part[0] for part in outputs)
    np.testing.assert_array_equal(labels, expected.labels)
    np.testing.assert_array_equal(instances, expected.instances.map)
    np.testing.assert_array_equal(kinds, expected.instances.label)
    np.testing.assert_array_equal(boxes, expected.instances.box)
    # A convolution's last bit may differ between the two.
    np.testing.assert_allclose(scores, expected.instances.score, atol=1e-5)


def test_engines_give_the_same_objects(files):
    image = boxes(np.random.default_rng(200))[0]
    found = {}
    for backend in ("onnxruntime", "openvino"):
        with open_engine(files["fp32"], backend=backend) as engine:
            found[backend] = engine.infer(image[None])
    ours, theirs = found.values()
    np.testing.assert_array_equal(ours.instances.map, theirs.instances.map)
    np.testing.assert_array_equal(ours.instances.box, theirs.instances.box)
    assert (ours.instances.score > 0).sum() == 2


def test_int8_leaves_the_last_layer_and_the_grouping_in_floating_point(files):
    model = onnx.load_from_string(files["int8"].data)
    made_by = {output: node for node in model.graph.node for output in node.output}
    for node in model.graph.node:
        if node.name.startswith("object_head"):
            assert node.input[1] not in made_by  # its weights are an initializer, not dequantised
        if node.name.startswith("grouping"):
            assert node.op_type not in ("QuantizeLinear", "DequantizeLinear")
    kept = {layer.name: layer.reason for layer in files["int8"].spec.precision.kept}
    assert set(kept) == {"object_head.Conv", "grouping"}


def test_the_fp16_file_looks_for_peaks_in_single_precision(files):
    model = onnx.shape_inference.infer_shapes(onnx.load_from_string(files["fp16"].data))
    types = {info.name: info.type.tensor_type.elem_type for info in model.graph.value_info}
    peaks = {layer.name for layer in files["fp16"].spec.precision.kept}
    nodes = [node for node in model.graph.node if node.name in peaks]
    assert [node.op_type for node in nodes] == [
        "Add",
        "MaxPool",
        "Equal",
        "Where",
        "MaxPool",
        "Reshape",
        "TopK",
    ]
    for node in nodes:
        assert types[node.output[0]] in (onnx.TensorProto.FLOAT, onnx.TensorProto.BOOL), node.name
    made_by = {output: node for node in model.graph.node for output in node.output}
    between = [made_by[name] for node in nodes[1:] for name in node.input if name in made_by]
    assert not [node.name for node in between if node.op_type == "Cast"]


def test_golden_answers_hold_the_objects(files, objects_path):
    network = load_checkpoint(objects_path).build()
    for golden in files["fp32"].spec.samples:
        expected = run_torch(network, [decode_rgb(golden.image, height=SIDE, width=SIDE)])[0]
        instances = decode_labels(golden.instances, height=SIDE, width=SIDE)
        np.testing.assert_array_equal(instances, expected.instances.map)
        assert golden.instance_class == tuple(expected.instances.label.tolist())
        assert golden.instance_score == pytest.approx(expected.instances.score.tolist())


def test_engines_are_checked_against_the_golden_objects(files):
    reference = reference_of(files["int8"])
    assert reference.source == "fp32 answers in the file"
    assert all(objects is not None for objects in reference.objects)
    with open_engine(files["fp32"], backend="onnxruntime") as engine:
        found = compare(reference, engine)
    assert found.objects == 1
    assert found.labels > 0.999


def test_a_semantic_description_reads_as_before_there_were_instances(files):
    spec = files["fp32"].spec
    plain = [Golden(image=sample.image, labels=sample.labels) for sample in spec.samples]
    text = encode_spec(msgspec.structs.replace(spec, samples=tuple(plain)))
    assert all(set(sample) == {"image", "labels"} for sample in json.loads(text)["samples"])
    assert decode_spec(text).samples == tuple(plain)


def test_a_description_with_instances_but_no_table_is_refused(files):
    content = json.loads(encode_spec(files["fp32"].spec))
    content["samples"][0]["instance_class"] = []
    with pytest.raises(ModelFileError, match="instance tables differ in length"):
        decode_spec(json.dumps(content))
    content["samples"][0]["instance_score"] = []
    with pytest.raises(ModelFileError, match="instances without tables"):
        decode_spec(json.dumps(content))


def test_a_file_whose_objects_are_others_is_not_written(objects_path, tmp_path, monkeypatch):
    monkeypatch.setattr(verification, "matched_objects", lambda *rest: 0.3)
    with pytest.raises(EngineVerificationError, match="30.0% of the objects, 98.0% are needed"):
        export_checkpoint(objects_path, ExportSettings(), folder=tmp_path, timing=QUICK)
    assert not list(tmp_path.iterdir())
