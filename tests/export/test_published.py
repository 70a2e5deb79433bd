"""A published checkpoint becomes model files of the contract."""

import contextlib
import io

import cv2
import numpy as np
import onnx
import pytest

from maskattn_edge.cli.app import run_command
from maskattn_edge.contract.errors import DataError
from maskattn_edge.contract.model_file import read_model_file
from maskattn_export.exporter import export_checkpoint
from maskattn_export.settings import ExportSettings

pytestmark = pytest.mark.filterwarnings("default::maskattn_edge.contract.errors.MaskAttnWarning")


@pytest.fixture(scope="module")
def pictures(tmp_path_factory):
    folder = tmp_path_factory.mktemp("pictures")
    rng = np.random.default_rng(0)
    for index in range(8):
        coarse = rng.integers(0, 256, (4, 4, 3), np.uint8)
        picture = cv2.resize(coarse, (24, 20), interpolation=cv2.INTER_LINEAR)
        cv2.imwrite(str(folder / f"{index}.png"), picture)
    return folder


@pytest.fixture(scope="module")
def exported(published_checkpoint, pictures, tmp_path_factory):
    """(folder, exit code, stderr) of the command, with all three precisions."""
    folder = tmp_path_factory.mktemp("exported")
    line = ["export", published_checkpoint, "--out", folder, "--calibration", pictures, "--int8"]
    errors = io.StringIO()
    with contextlib.redirect_stderr(errors):
        code = run_command([str(word) for word in line])
    return folder, code, errors.getvalue()


@pytest.fixture(scope="module")
def files(exported):
    folder, _, _ = exported
    return {
        name: read_model_file(folder / f"epoch.{name}.onnx") for name in ("fp32", "fp16", "int8")
    }


def test_the_command_writes_a_file_per_precision(exported):
    folder, code, errors = exported
    assert code == 0, errors
    names = {path.name for path in folder.iterdir()}
    models = {f"epoch.{kind}.onnx" for kind in ("fp32", "fp16", "int8")}
    assert names == models | {f"epoch.int8.{kind}" for kind in ("json", "md", "png")}


def test_the_command_warns_in_one_line(exported):
    *_, errors = exported
    (line,) = (line for line in errors.splitlines() if line.startswith("warning: "))
    assert "lacks the key mask" in line
    assert "every key is kept" in line


@pytest.mark.parametrize("precision", ["fp32", "fp16", "int8"])
def test_files_keep_the_contract_and_say_what_was_missing(files, precision):
    file = files[precision]
    assert [str(port) for port in file.inputs] == ["image uint8 (1, 16, 16, 3)"]
    assert [str(port) for port in file.outputs] == ["labels uint8 (1, 16, 16)"]
    assert file.spec.precision.name == precision
    assert "published MaskAttn-UNet checkpoint" in file.spec.training.data
    assert "every key is kept" in file.spec.training.data
    assert len(file.spec.samples) == 4
    assert "BatchNormalization" not in file.operators
    model = onnx.load_from_string(file.data)
    assert list(model.graph.node[0].input) == ["image"]


def test_fp16_keeps_layer_norms_in_fp32(files):
    kept = [layer.name for layer in files["fp16"].spec.precision.kept]
    assert kept == [f"attention{n}.norm.LayerNormalization" for n in range(1, 7)] + [
        "norm.LayerNormalization"
    ]
    model = onnx.load_from_string(files["fp16"].data)
    makers = {output: node for node in model.graph.node for output in node.output}
    for node in model.graph.node:
        if node.op_type == "LayerNormalization":
            assert makers[node.input[0]].op_type == "Cast", node.name


def test_int8_leaves_attention_alone(files):
    kept = {layer.name.rpartition(".")[0] for layer in files["int8"].spec.precision.kept}
    assert kept == {f"attention{n}.{part}" for n in range(1, 7) for part in _LAYERS}
    assert files["int8"].operators["QuantizeLinear"] > 0


def test_int8_leaves_nothing_inside_a_gelu(files):
    model = onnx.load_from_string(files["int8"].data)
    users = {name: node for node in model.graph.node for name in node.input}
    found = 0
    for node in model.graph.node:
        if node.op_type == "Erf":
            plus_one = users[node.output[0]]
            assert plus_one.op_type == "Add"
            assert users[plus_one.output[0]].op_type == "Mul"
            found += 1
    assert found == 22


_LAYERS = ("query", "key", "value")


def test_an_exported_file_runs(files, tmp_path, capsys):
    line = ["run", files["fp32"].path, "--source", "synthetic://?frames=2&width=64&height=48"]
    assert run_command([*map(str, line), "--masks", str(tmp_path / "masks")]) == 0
    assert len(list((tmp_path / "masks").iterdir())) >= 2
    assert run_command(["inspect", str(files["fp32"].path)]) == 0
    assert "published MaskAttn-UNet checkpoint" in capsys.readouterr().out


def test_images_are_asked_for(published_checkpoint, tmp_path):
    with (
        pytest.warns(UserWarning, match="lacks the key mask"),
        pytest.raises(DataError, match="--calibration DIR"),
    ):
        export_checkpoint(published_checkpoint, ExportSettings(), folder=tmp_path)
