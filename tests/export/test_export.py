"""One checkpoint, three files: each describes itself and answers as the network does."""

from dataclasses import replace

import cv2
import numpy as np
import onnx
import pytest
from onnx import TensorProto

from maskattn_edge.contract.errors import (
    CheckpointError,
    DataError,
    EngineVerificationError,
    ModelFileError,
    UsageError,
)
from maskattn_edge.contract.model_file import read_model_file
from maskattn_edge.engines import open_engine
from maskattn_edge.engines.openvino_split import split_convolutions
from maskattn_edge.engines.samples import sample_images
from maskattn_edge.latency import LatencySettings
from maskattn_edge.pictures import decode_labels, decode_rgb
from maskattn_export.exporter import export_checkpoint
from maskattn_export.graph import run_torch
from maskattn_export.normalization import fold_division, subtract_before_transpose
from maskattn_export.settings import ExportSettings
from maskattn_models.checkpoint import Samples, save_checkpoint

QUICK = LatencySettings(warmup_frames=0, min_frames=1, min_seconds=0)


@pytest.fixture
def files(report):
    return {file.precision: read_model_file(file.path) for file in report.files}


def test_one_file_per_precision(report):
    assert [file.path.name for file in report.files] == [
        "best.fp32.onnx",
        "best.fp16.onnx",
        "best.int8.onnx",
    ]
    assert report.images == 16


def test_the_network_learned_and_the_files_keep_it(report):
    assert report.torch_miou > 0.9
    fp32, fp16, int8 = (file.verification for file in report.files)
    assert fp32.miou == pytest.approx(report.torch_miou, abs=1e-3)
    assert fp16.miou == pytest.approx(report.torch_miou, abs=5e-3)
    assert int8.miou > report.torch_miou - 0.05
    assert fp32.agreement >= 0.999


def test_files_describe_themselves(files, checkpoint):
    for precision, file in files.items():
        spec = file.spec
        assert file.described
        assert spec.precision.name == precision
        assert spec.classes == checkpoint.classes
        assert spec.provenance.checkpoint_sha256 == checkpoint.sha256
        assert spec.training.data == "blocks"
        assert spec.training.metrics == {"val_miou": 0.9}
        assert len(spec.samples) == 4
    assert [layer.name for layer in files["int8"].spec.precision.kept] == [
        f"attention{stage}.{part}.Conv" for stage in (3, 4) for part in ("qkv", "project")
    ]


def test_golden_answers_are_pytorchs(files, checkpoint):
    network = checkpoint.build()
    for golden in files["int8"].spec.samples:
        image = decode_rgb(golden.image, height=32, width=32)
        labels = decode_labels(golden.labels, height=32, width=32)
        np.testing.assert_array_equal(labels, run_torch(network, [image])[0].labels)


@pytest.mark.parametrize("precision", ["fp32", "fp16", "int8"])
def test_graphs_keep_the_contract(files, precision):
    model = onnx.load_from_string(files[precision].data)
    onnx.checker.check_model(model, full_check=True)
    assert model.graph.node[0].op_type == "Cast"  # TensorRT takes uint8 only there
    assert list(model.graph.node[0].input) == ["image"]
    assert {node.op_type for node in model.graph.node}.isdisjoint(
        {"If", "Loop", "BatchNormalization"}
    )
    assert not any(node.metadata_props for node in model.graph.node)


def test_fp16_has_no_fp32_weights(files):
    model = onnx.load_from_string(files["fp16"].data)
    kinds = {tensor.name: tensor.data_type for tensor in model.graph.initializer}
    scales = {node.input[2] for node in model.graph.node if node.op_type == "Resize"}
    assert {name for name, kind in kinds.items() if kind == TensorProto.FLOAT} <= scales
    assert TensorProto.FLOAT16 in kinds.values()


def test_int8_is_symmetric_and_leaves_attention_alone(files):
    model = onnx.load_from_string(files["int8"].data)
    values = {t.name: onnx.numpy_helper.to_array(t) for t in model.graph.initializer}
    quantizers = [node for node in model.graph.node if node.op_type == "QuantizeLinear"]
    assert quantizers
    for node in quantizers:
        assert values[node.input[2]].dtype == np.int8
        assert not values[node.input[2]].any()
    made_by = {output: node for node in model.graph.node for output in node.output}
    for node in model.graph.node:
        if node.op_type == "Conv":
            weight_is_int8 = node.input[1] in made_by
            assert weight_is_int8 != node.name.startswith("attention"), node.name


@pytest.mark.parametrize("backend", ["openvino", "onnxruntime"])
@pytest.mark.parametrize("precision", ["fp32", "fp16", "int8"])
def test_every_engine_gives_the_golden_answers(files, precision, backend):
    with open_engine(files[precision], backend=backend) as engine:
        same = [
            np.mean(
                engine.infer(decode_rgb(golden.image, height=32, width=32)[None]).labels
                == decode_labels(golden.labels, height=32, width=32)
            )
            for golden in engine.spec.samples
        ]
    assert np.mean(same) > (0.9 if precision == "int8" else 0.98)


@pytest.mark.parametrize("precision", ["fp32", "int8"])
def test_openvino_splits_attention_without_a_trace(files, precision, monkeypatch):
    pytest.importorskip("openvino")
    images = sample_images(files[precision])
    done = []

    def counted(*given):
        done.append(split_convolutions(*given))

    monkeypatch.setattr("maskattn_edge.engines.openvino.split_convolutions", counted)
    with open_engine(files[precision], backend="openvino", threads=1) as engine:
        after = [engine.infer(image[None]).labels for image in images]
    assert done == [2]
    monkeypatch.setattr("maskattn_edge.engines.openvino.split_convolutions", lambda *_: 0)
    with open_engine(files[precision], backend="openvino", threads=1) as engine:
        before = [engine.infer(image[None]).labels for image in images]
    np.testing.assert_array_equal(after, before)


def test_int8_rounds_once_behind_a_relu(files):
    model = onnx.load_from_string(files["int8"].data)
    made_by = {output: node for node in model.graph.node for output in node.output}
    relus = [node for node in model.graph.node if node.op_type == "Relu"]
    assert relus
    assert {made_by[relu.input[0]].op_type for relu in relus} == {"Conv"}


def test_the_division_by_the_deviation_is_in_the_weights(files):
    model = onnx.load_from_string(files["fp32"].data)
    assert not [node for node in model.graph.node if node.op_type == "Div"]


def test_a_division_without_a_convolution_stays():
    model = onnx.parser.parse_model(
        """<ir_version: 9, opset_import: ["": 18]>
        g (float[1, 3, 4, 4] x) => (float[1, 3, 4, 4] y)
        <float[1, 3, 1, 1] std = {1, 2, 4}> { y = Div(x, std) }"""
    )
    fold_division(model.graph)
    assert [node.op_type for node in model.graph.node] == ["Div"]


def front(shape):
    return onnx.parser.parse_model(
        f"""<ir_version: 9, opset_import: ["": 18]>
        g (float[1, 2, 4, 3] x) => (float[1, 3, 2, 4] y)
        <float{shape} mean = {{1, 2, 4}}> {{
            t = Transpose<perm = [0, 3, 1, 2]>(x)
            s = Sub(t, mean)
            y = Relu(s)
        }}"""
    )


def test_the_mean_goes_while_channels_are_last():
    model = front([1, 3, 1, 1])
    image = np.random.default_rng(0).normal(0, 5, (1, 2, 4, 3)).astype(np.float32)
    before = onnx.reference.ReferenceEvaluator(model).run(None, {"x": image})[0]
    subtract_before_transpose(model.graph, 4)
    onnx.checker.check_model(model, full_check=True)
    assert [node.op_type for node in model.graph.node] == ["Sub", "Transpose", "Relu"]
    assert onnx.numpy_helper.to_array(model.graph.initializer[0]).shape == (1, 1, 4, 3)
    after = onnx.reference.ReferenceEvaluator(model).run(None, {"x": image})[0]
    np.testing.assert_array_equal(after, before)


def test_another_difference_stays_where_it_is():
    model = front([3, 1, 1])
    subtract_before_transpose(model.graph, 4)
    assert [node.op_type for node in model.graph.node] == ["Transpose", "Sub", "Relu"]


@pytest.mark.parametrize("precision", ["fp32", "fp16", "int8"])
def test_exported_files_do_so(files, precision):
    model = onnx.load_from_string(files[precision].data)
    kinds = [node.op_type for node in model.graph.node if node.op_type in ("Sub", "Transpose")]
    assert kinds[:2] == ["Sub", "Transpose"]


def without_samples(checkpoint, tmp_path, **changes):
    path = tmp_path / "bare.pt"
    save_checkpoint(path, replace(checkpoint, **({"samples": Samples()} | changes)))
    return path


def images_folder(tmp_path, count):
    folder = tmp_path / "pictures"
    folder.mkdir()
    rng = np.random.default_rng(1)
    for index in range(count):
        cv2.imwrite(str(folder / f"{index}.png"), rng.integers(0, 255, (40, 50, 3), np.uint8))
    return folder


def test_no_samples_is_an_error_never_random_input(checkpoint, tmp_path):
    path = without_samples(checkpoint, tmp_path)
    with pytest.raises(DataError, match="--calibration DIR"):
        export_checkpoint(path, ExportSettings(precisions=("int8",)), timing=QUICK)
    assert not list(tmp_path.glob("*.onnx"))


def test_a_folder_of_images_calibrates(checkpoint, tmp_path):
    path = without_samples(checkpoint, tmp_path)
    settings = ExportSettings(precisions=("int8",), calibration=images_folder(tmp_path, 9))
    report = export_checkpoint(path, settings, timing=QUICK)
    assert report.images == 9
    assert np.isnan(report.torch_miou)


def test_too_few_images(checkpoint, tmp_path):
    path = without_samples(checkpoint, tmp_path)
    settings = ExportSettings(precisions=("int8",), calibration=images_folder(tmp_path, 3))
    with pytest.raises(DataError, match="at least 8 real images for calibration, got 3"):
        export_checkpoint(path, settings, timing=QUICK)


def test_an_empty_calibration_folder(checkpoint, tmp_path):
    (tmp_path / "none").mkdir()
    settings = ExportSettings(calibration=tmp_path / "none")
    with pytest.raises(DataError, match="no images for calibration"):
        export_checkpoint(without_samples(checkpoint, tmp_path), settings, timing=QUICK)


def test_damaged_samples(checkpoint, tmp_path):
    path = without_samples(checkpoint, tmp_path, samples=Samples(calibration=(b"not a picture",)))
    with pytest.raises(CheckpointError, match=r"bare.pt: the checkpoint's samples are damaged"):
        export_checkpoint(path, ExportSettings(), timing=QUICK)


def test_a_file_that_answers_otherwise_is_not_written(checkpoint_path, tmp_path, monkeypatch):
    def broken(graph):
        for tensor in graph.graph.initializer:
            if tensor.name.startswith("network.head"):
                values = onnx.numpy_helper.to_array(tensor)
                tensor.CopyFrom(onnx.numpy_helper.from_array(-values, tensor.name))
        return graph

    monkeypatch.setattr("maskattn_export.exporter.to_fp16", broken)
    with pytest.raises(EngineVerificationError, match="agrees with PyTorch on"):
        export_checkpoint(
            checkpoint_path, ExportSettings(precisions=("fp16",)), folder=tmp_path, timing=QUICK
        )
    assert [path.name for path in tmp_path.iterdir()] == ["best.fp32.onnx"]


def test_an_unwritable_folder(checkpoint_path, tmp_path):
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(ModelFileError, match="cannot write the model"):
        export_checkpoint(
            checkpoint_path, ExportSettings(), folder=tmp_path / "file" / "x", timing=QUICK
        )


def test_unknown_precision():
    with pytest.raises(UsageError, match="unknown precision 'int4'; available: fp32, fp16, int8"):
        ExportSettings(precisions=("int4",))
