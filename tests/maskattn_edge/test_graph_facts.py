"""Costs of the shipped model, against numbers worked out by hand and PyTorch's own count."""

import json

import pytest

from maskattn_edge.cli.app import run_command
from maskattn_edge.contract.model_file import read_model_file
from maskattn_edge.graph_facts import graph_facts
from maskattn_edge.layer_times import layer_times
from maskattn_edge.models import default_model


@pytest.fixture(scope="module")
def file():
    return read_model_file(default_model())


@pytest.fixture(scope="module")
def facts(file):
    return graph_facts(file)


def test_a_convolution_by_hand(facts):
    (block,) = (one for one in facts.blocks if one.block == "decode1")
    assert block.operations == 2 * 64 * 64 * 64 * (64 * 9)  # 64x64 cells, 64 to 64 channels, 3x3
    assert block.parameters == 64 * 64 * 9 + 64
    assert block.weight_bytes == 64 * 64 * 9 + 64 * 4  # INT8 weights, fp32 biases
    assert (block.precision, block.layers) == ("int8", 1)


def test_totals_are_those_of_pytorchs_counter(facts):
    pytest.importorskip("torch")
    from maskattn_models.cost import cost_of
    from maskattn_models.network import NetworkConfig

    known = {one.block for one in facts.blocks}
    head = next(one for one in facts.blocks if one.block == "head")
    classes = head.operations // (2 * 64 * 64 * 64)
    config = NetworkConfig(classes=classes, attention="masked" if "attention3" in known else "none")
    assert facts.operations == cost_of(config).operations


def test_activations_hold_at_least_the_largest_tensor(facts):
    assert 64 * 64 * 32 < facts.activation_bytes < 32e6


def test_layers_have_times(file):
    times = layer_times(file, frames=2, warmup=0, threads=1)
    assert len(times) > 10
    assert all(one.frame_ms >= 0 and one.name and one.operator for one in times)
    assert any("Conv" in one.operator for one in times)


def test_the_command(capsys):
    assert run_command(["inspect", str(default_model()), "--json", "--layers"]) == 0
    data = json.loads(capsys.readouterr().out)
    assert data["graph"]["operations"] > 5e8
    assert {one["precision"] for one in data["graph"]["blocks"]} >= {"int8"}
    assert data["layer_times"]
    assert run_command(["inspect", str(default_model())]) == 0
    text = capsys.readouterr().out
    assert "GFLOPs (2 x MAC)" in text
    assert "decode1" in text
    assert "p50 ms" not in text


def test_a_plan_without_sidecar(tmp_path, capsys):
    plan = tmp_path / "abc-def.plan"
    plan.write_bytes(b"x")
    assert run_command(["inspect", str(plan)]) == 1
    assert "no sidecar that says what it is" in capsys.readouterr().err
    assert run_command(["inspect", str(plan), "--layers"]) == 1
