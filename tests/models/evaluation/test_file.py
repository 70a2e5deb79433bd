from __future__ import annotations

import hashlib
import json

import cv2
import numpy as np
import pytest
import typer
from onnx import TensorProto, helper
from typer.testing import CliRunner

from maskattn_edge.cli.evaluate import evaluate as command
from maskattn_edge.contract.classes import ClassInfo, numbered_classes
from maskattn_edge.contract.errors import DataError, MissingDependencyError, UsageError
from maskattn_edge.contract.model_file import describe
from maskattn_edge.contract.spec import InputSpec, ModelSpec, PrecisionSpec
from maskattn_models.data import open_dataset
from maskattn_models.evaluation import evaluate_file

CLASSES = tuple(ClassInfo(name, (40, 90, 200)) for name in ("floor", "wall", "door"))


def brightest(classes) -> bytes:
    """A model of 16x16 pixels whose label is the brightest channel."""
    nodes = [
        helper.make_node("Cast", ["image"], ["float"], to=TensorProto.FLOAT),
        helper.make_node("Transpose", ["float"], ["nchw"], perm=[0, 3, 1, 2]),
        helper.make_node("ArgMax", ["nchw"], ["index"], axis=1, keepdims=0),
        helper.make_node("Cast", ["index"], ["labels"], to=TensorProto.UINT8),
    ]
    graph = helper.make_graph(
        nodes,
        "test",
        [helper.make_tensor_value_info("image", TensorProto.UINT8, [1, 16, 16, 3])],
        [helper.make_tensor_value_info("labels", TensorProto.UINT8, [1, 16, 16])],
    )
    opset = [helper.make_opsetid("", 18)]
    data = helper.make_model(graph, opset_imports=opset, ir_version=9).SerializeToString()
    if classes is None:
        return data
    spec = ModelSpec(
        name="brightest",
        task="semantic",
        classes=classes,
        input=InputSpec(height=16, width=16, resize="letterbox"),
        precision=PrecisionSpec(name="fp32"),
    )
    return describe(data, spec)


@pytest.fixture
def folder(tmp_path):
    root = tmp_path / "rooms"
    for index in range(4):
        mask = np.zeros((32, 64), np.uint8)
        mask[:16, 32:] = 1
        mask[16:, :32] = 2
        image = np.eye(3, dtype=np.uint8)[mask] * 200
        for name, picture in (("images", image[..., ::-1]), ("masks", mask)):
            (root / name / "test").mkdir(parents=True, exist_ok=True)
            cv2.imwrite(str(root / name / f"test/{index}.png"), picture)
    (root / "classes.json").write_text('["floor", "wall", "door"]', encoding="utf-8")
    return root


@pytest.fixture
def model(tmp_path):
    path = tmp_path / "brightest.onnx"
    path.write_bytes(brightest(CLASSES))
    return path


def test_model_file_is_scored_and_named(folder, model, tmp_path):
    sheet = tmp_path / "sheet.png"
    result = evaluate_file(model, open_dataset(folder), "test", pictures=sheet)
    assert result.grid_miou == result.full_miou == 1.0
    assert int(result.grid_confusion.sum()) == 4 * 8 * 16
    assert result.model == "brightest.onnx"
    assert result.model_sha256 == hashlib.sha256(model.read_bytes()).hexdigest()
    assert result.runs_on
    assert cv2.imread(str(sheet)).shape[1] == 3 * 320 + 4 * 16


def test_file_without_a_description_is_scored_by_number(folder, tmp_path):
    path = tmp_path / "plain.onnx"
    path.write_bytes(brightest(None))
    assert evaluate_file(path, open_dataset(folder), "test").full_miou == 1.0


def test_model_of_other_classes_is_refused(folder, tmp_path):
    path = tmp_path / "other.onnx"
    path.write_bytes(brightest(numbered_classes(3)))
    with pytest.raises(DataError, match="class 0 is '0' in the model and 'floor' in rooms"):
        evaluate_file(path, open_dataset(folder), "test")


def test_the_named_engine_runs_a_model_file(folder, model):
    pytest.importorskip("openvino")
    for engine in ("onnxruntime", "openvino"):
        report = evaluate_file(model, open_dataset(folder), "test", engine=engine)
        assert report.runs_on.startswith(f"{engine}, ")
    with pytest.raises(UsageError, match="unknown engine 'warp'"):
        evaluate_file(model, open_dataset(folder), "test", engine="warp")


def test_a_checkpoint_takes_no_engine(folder, tmp_path):
    path = tmp_path / "best.pt"
    with pytest.raises(UsageError, match="PyTorch runs a checkpoint: leave out --engine"):
        evaluate_file(path, open_dataset(folder), "test", engine="onnxruntime")


def test_unknown_split_is_refused_before_the_model_is_opened(folder, tmp_path):
    with pytest.raises(UsageError, match="no split 'val'; available: test"):
        evaluate_file(tmp_path / "missing.onnx", open_dataset(folder), "val")


def test_checkpoint_is_scored(folder, tmp_path):
    torch = pytest.importorskip("torch")
    from maskattn_models.checkpoint import Checkpoint, save_checkpoint
    from maskattn_models.network import NetworkConfig, build_network

    torch.manual_seed(0)
    config = NetworkConfig(classes=3, size="n", height=32, width=32)
    path = tmp_path / "best.pt"
    save_checkpoint(
        path,
        Checkpoint(
            network=config,
            weights=build_network(config).state_dict(),
            classes=CLASSES,
            input=InputSpec(height=32, width=32),
        ),
    )
    result = evaluate_file(path, open_dataset(folder), "test", limit=2)
    assert (result.images, int(result.full_confusion.sum())) == (2, 2 * 32 * 64)
    assert result.model_sha256 == hashlib.sha256(path.read_bytes()).hexdigest()


def test_checkpoint_without_torch_says_what_to_install(folder, tmp_path, monkeypatch):
    def missing(name):
        raise ModuleNotFoundError(name=name)

    monkeypatch.setattr("maskattn_edge.optional.importlib.import_module", missing)
    with pytest.raises(MissingDependencyError, match=r"torch: pip install 'maskattn-edge\[train\]"):
        evaluate_file(tmp_path / "best.pt", open_dataset(folder), "test")


def run(*arguments: object):
    app = typer.Typer()
    app.command()(command)
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def test_command_prints_both_scores_and_writes_the_files(folder, model, tmp_path):
    report, sheet = tmp_path / "report.json", tmp_path / "sheet.png"
    done = run(model, "--data", folder, "--json", report, "--pictures", sheet, "--limit", 3)
    assert done.exit_code == 0, done.output
    assert "16x16 grid, area-majority labels" in done.output
    assert "full size, grid labels enlarged" in done.output
    assert "door" in done.output
    assert json.loads(report.read_text(encoding="utf-8"))["images"] == 3
    assert sheet.stat().st_size > 0


def test_command_lets_errors_through(folder, model):
    done = run(model, "--data", folder, "--split", "val")
    assert isinstance(done.exception, UsageError)
    assert "available: test" in str(done.exception)
