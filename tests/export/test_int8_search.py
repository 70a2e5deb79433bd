"""The budget: the best calibration, each block's loss, and what stays in fp16."""

import importlib.util
import json

import numpy as np
import onnx
import pytest

from maskattn_edge.cli.app import run_command
from maskattn_edge.contract.errors import (
    DataError,
    MaskAttnError,
    MissingDependencyError,
    UsageError,
)
from maskattn_edge.contract.model_file import read_model_file
from maskattn_edge.contract.spec import Licences
from maskattn_edge.latency import LatencySettings
from maskattn_export.description import base_spec
from maskattn_export.exporter import export_checkpoint
from maskattn_export.graph import run_torch, to_onnx
from maskattn_export.int8 import Judge, default_quantizer, place, search
from maskattn_export.int8.blocks import blocks_of
from maskattn_export.int8.calibration import observe, with_ranges
from maskattn_export.int8.kept import kept_by_rule
from maskattn_export.int8.qdq import PAIR, in_float, in_int8, quantized_tensors
from maskattn_export.samples import export_images
from maskattn_export.settings import ExportSettings
from maskattn_export.verify import Expected
from maskattn_models.checkpoint import load_checkpoint

QUICK = LatencySettings(warmup_frames=0, min_frames=1, min_seconds=0)
BLOCKS = [
    *("stage1", "stage2", "stage3", "stage4", "laterals"),
    *("decode3", "decode2", "decode1", "head"),
]
QUANTIZERS = [
    "onnxruntime",
    pytest.param(
        "modelopt",
        marks=pytest.mark.skipif(
            importlib.util.find_spec("modelopt") is None,
            reason="pip install 'maskattn-edge[modelopt]', in an environment of its own",
        ),
    ),
]


@pytest.fixture(scope="module")
def loaded(checkpoint_path):
    return load_checkpoint(checkpoint_path)


@pytest.fixture(scope="module")
def images(loaded):
    return export_images(loaded, None)


@pytest.fixture(scope="module")
def graph(loaded):
    return to_onnx(loaded.build(), loaded.input)


@pytest.fixture(scope="module")
def placed(request, graph, images):
    return place(graph, images.calibration, getattr(request, "param", "onnxruntime"))


@pytest.fixture(scope="module")
def judge(loaded, images):
    pictures = images.for_verification
    return Judge(
        images=pictures,
        expected=Expected(
            answers=run_torch(loaded.build(), pictures),
            labels=[labels for _, labels in images.held_out],
        ),
        spec=base_spec(loaded, name="x", licences=Licences(), golden=()),
    )


def test_every_layer_is_of_a_block(graph):
    block = blocks_of(graph.graph)
    assert set(block.values()) == {*BLOCKS, "attention3", "attention4"}
    assert block["stage2.1.2.Relu"] == "stage2"
    assert block["lateral3.Conv"] == "laterals"
    # What enlarges and adds between modules is of the block that reads it, at the end of the last.
    readers = {node.input[0]: node.name for node in graph.graph.node}
    assert {block[name] for name, reader in readers.items() if reader == "decode3.0.Conv"} == {
        "decode3"
    }
    assert block["ArgMax"] == "head"


@pytest.mark.parametrize("placed", QUANTIZERS, indirect=True)
def test_a_placement_has_each_block_but_attention(placed, graph):
    block = blocks_of(graph.graph)
    found = {block[name] for name in in_int8(placed.graph)}
    assert found == set(BLOCKS)
    assert len(in_int8(placed.graph)) == 16
    onnx.checker.check_model(placed, full_check=True)
    assert placed.opset_import[0].version <= 20


@pytest.mark.parametrize("placed", QUANTIZERS, indirect=True)
def test_a_block_in_floating_point_has_its_own_weights_back(placed, graph, judge):
    block = blocks_of(graph.graph)
    chosen = {name for name, one in block.items() if one == "decode2"}
    mixed = in_float(placed, graph, chosen)
    onnx.checker.check_model(mixed, full_check=True)
    assert in_int8(placed.graph) - in_int8(mixed.graph) == {"decode2.0.Conv"}
    (layer,) = (node for node in mixed.graph.node if node.name == "decode2.0.Conv")
    (before,) = (node for node in graph.graph.node if node.name == "decode2.0.Conv")
    ours, theirs = (
        next(onnx.numpy_helper.to_array(t) for t in g.graph.initializer if t.name == n.input[1])
        for g, n in ((mixed, layer), (graph, before))
    )
    np.testing.assert_array_equal(ours, theirs)


@pytest.mark.parametrize("placed", QUANTIZERS, indirect=True)
def test_all_blocks_in_floating_point_are_the_fp32_graph(placed, graph, judge):
    bare = in_float(placed, graph, {node.name for node in graph.graph.node})
    assert not [node for node in bare.graph.node if node.op_type in PAIR]
    assert judge(bare) == pytest.approx(judge(graph))


@pytest.mark.parametrize("placed", QUANTIZERS, indirect=True)
def test_the_largest_range_is_the_largest_value(placed, graph, images):
    """Ours from histograms, against the value that the graph has on each image, one by one."""
    groups = quantized_tensors(placed.graph)
    names = sorted({name for group in groups.values() for name in group})
    few = images.calibration[:4]
    histograms = observe(graph, names, few)
    alone = [observe(graph, names[:3], [image]) for image in few]
    for name in names[:3]:
        most = max(one[name].largest for one in alone)
        assert histograms[name].largest == pytest.approx(most, rel=1e-5)
        assert sum(histograms[name].counts) == sum(sum(one[name].counts) for one in alone)
    ranged = with_ranges(placed, histograms, "max")
    scales = {t.name: onnx.numpy_helper.to_array(t) for t in ranged.graph.initializer}
    for scale, group in groups.items():
        most = max(histograms[name].largest for name in group)
        assert scales[scale] == pytest.approx(most / 127, rel=2**-11)
        assert scales[scale] == np.float16(scales[scale])


def test_placement_leaves_what_it_is_told_to(placed, graph):
    assert not in_int8(placed.graph).intersection(kept_by_rule(graph))


def test_within_the_budget_nothing_more_is_measured(graph, images, judge):
    _, result = search(graph, images.calibration, judge, quantizer="onnxruntime", budget=50)
    assert (result.sensitivities, result.kept, len(result.curve)) == ((), (), 1)
    assert result.holds
    assert result.loss == min(result.methods.values())
    assert set(result.methods) == {"max", "entropy", "percentile"}


class Ruined:
    """A judge that finds a graph the worse, the more of some layers it has in INT8."""

    metric, reference, judged, labelled = "mIoU", 80.0, 5, True
    COST = {"stage2.0.0.Conv": 3.0, "head.Conv": 2.0, "decode1.0.Conv": 0.2}  # noqa: RUF012

    def __call__(self, model):
        found = in_int8(model.graph)
        return self.reference - sum(cost for name, cost in self.COST.items() if name in found)


def test_the_worst_blocks_stay_until_the_budget_holds(graph, images):
    model, result = search(graph, images.calibration, Ruined(), quantizer="onnxruntime", budget=0.5)
    assert result.kept == ("stage2", "head")
    assert [one.block for one in result.sensitivities[:3]] == ["stage2", "head", "decode1"]
    assert [round(one.loss, 6) for one in result.sensitivities[:4]] == [3.0, 2.0, 0.2, 0.0]
    assert [(p.blocks, p.kept, round(p.loss, 6)) for p in result.curve] == [
        (9, "", 5.2),
        (8, "stage2", 2.2),
        (7, "head", 0.2),
    ]
    assert result.holds
    assert not {"stage2.0.0.Conv", "stage2.1.0.Conv", "head.Conv"} & in_int8(model.graph)


def test_a_budget_that_no_mixture_holds(graph, images, monkeypatch):
    cost = {f"{b}.0.Conv": 1.0 for b in ("decode1", "decode2", "decode3")} | {"head.Conv": 1.0}
    for name in ("stage1", "stage2", "stage3", "stage4"):
        cost[f"{name}.0.0.Conv"] = 1.0
    cost["lateral1.Conv"] = 1.0
    monkeypatch.setattr(Ruined, "COST", cost)
    _, result = search(graph, images.calibration, Ruined(), quantizer="onnxruntime", budget=0.5)
    assert not result.holds
    assert "budget of 0.5" in result.failure
    assert "9.00 points of mIoU in all 9 blocks, and 1.00 in the best mixture" in result.failure


def costing(cost, layers=("stage2.0.0.Conv",)):
    """In place of a judge's own score: so many points for each of some layers in INT8."""
    return lambda self, model: self.reference - cost * len(in_int8(model.graph) & set(layers))


def test_an_export_that_keeps_a_block_says_so_everywhere(checkpoint_path, tmp_path, monkeypatch):
    monkeypatch.setattr(Judge, "__call__", costing(3.0))
    settings = ExportSettings(precisions=("int8",), budget=1, quantizer="onnxruntime")
    report = export_checkpoint(checkpoint_path, settings, folder=tmp_path, timing=QUICK)
    facts = json.loads((tmp_path / "best.int8.json").read_text())
    assert facts["kept"] == ["stage2"]
    assert [round(point["loss"], 6) for point in facts["curve"]] == [3.0, 0.0]
    text = (tmp_path / "best.int8.md").read_text()
    assert "| stage2 | 2 | 3.000 |" in text
    assert "with stage2 in fp16" in text
    assert (tmp_path / "best.int8.png").read_bytes().startswith(b"\x89PNG")
    (kept,) = [
        layer
        for layer in read_model_file(tmp_path / "best.int8.onnx").spec.precision.kept
        if layer.name == "stage2"
    ]
    assert kept.reason.startswith("alone in INT8 it loses 3.00 points of mIoU")
    assert report.decision.line.startswith("ship best.")


def test_beyond_the_budget_there_is_no_int8_file_and_the_command_fails(
    checkpoint_path, tmp_path, monkeypatch, capsys
):
    def ruined(self, model):
        return self.reference - 2.0 * bool(in_int8(model.graph))

    monkeypatch.setattr(Judge, "__call__", ruined)
    stale = tmp_path / "best.int8.onnx"
    stale.write_bytes(b"of a former export")
    command = ["export", str(checkpoint_path), "--int8", "--budget", "1", "--out", str(tmp_path)]
    assert run_command([*command, "--quantizer", "onnxruntime"]) == 1
    assert (tmp_path / "best.int8.onnx.former").read_bytes() == b"of a former export"
    assert {path.name for path in tmp_path.glob("*.onnx")} == {"best.fp32.onnx", "best.fp16.onnx"}
    *_, moved, last = capsys.readouterr().out.splitlines()
    assert moved.startswith("the INT8 file of a former export was renamed to ")
    assert last.startswith("ship best.fp")
    assert "INT8 is not within the budget of 1 and was not written" in last


def test_a_budget_needs_labels(checkpoint_path, tmp_path):
    from dataclasses import replace

    from maskattn_models.checkpoint import save_checkpoint

    checkpoint = load_checkpoint(checkpoint_path)
    bare = tmp_path / "bare.pt"
    samples = replace(checkpoint.samples, held_out=())
    save_checkpoint(bare, replace(checkpoint, samples=samples))
    with pytest.raises(DataError, match="a budget is measured on: give a data set with --data"):
        export_checkpoint(bare, ExportSettings(precisions=("int8",), budget=1.0))


def test_wrong_settings():
    with pytest.raises(UsageError, match="a budget is 0 to 100 points, got -1"):
        ExportSettings(precisions=("int8",), budget=-1)
    with pytest.raises(UsageError, match="a budget is for INT8: give --int8 too"):
        ExportSettings(budget=1)
    with pytest.raises(UsageError, match="unknown quantizer 'mine'; available: modelopt"):
        ExportSettings(quantizer="mine")


def test_modelopt_missing_is_one_line(graph, images, monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(MissingDependencyError, match=r"pip install 'maskattn-edge\[modelopt\]'"):
        place(graph, images.calibration, "modelopt")
    assert default_quantizer() == "onnxruntime"


def test_a_failing_modelopt_is_one_line(graph, images, monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: object())
    monkeypatch.setattr("sys.executable", "/bin/false")
    assert default_quantizer() == "modelopt"
    with pytest.raises(MaskAttnError, match="ModelOpt failed: exit code 1; use --quantizer"):
        place(graph, images.calibration, "modelopt")
