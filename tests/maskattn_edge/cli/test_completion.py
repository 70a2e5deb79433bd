"""Shell completion, as a shell asks for it."""

import subprocess
import sys
from typing import get_args

import pytest

from maskattn_edge.cli import completion
from maskattn_edge.contract.spec import TASKS
from maskattn_edge.engines import CHOICES

SHELLS = {"bash": "complete -o default -F", "zsh": "#compdef maskattn-edge", "fish": "complete"}


def complete(environment, line, cursor):
    done = subprocess.run(
        [sys.executable, "-m", "maskattn_edge"],
        capture_output=True,
        text=True,
        check=True,
        env={
            **environment,
            "_MASKATTN_EDGE_COMPLETE": "complete_bash",
            "COMP_WORDS": line,
            "COMP_CWORD": str(cursor),
        },
    )
    return done.stdout.split()


@pytest.mark.parametrize(
    ("line", "cursor", "expected"),
    [
        ("maskattn-edge do", 1, ["doctor"]),
        ("maskattn-edge run --eng", 2, ["--engine"]),
        ("maskattn-edge data prepare c", 3, ["composed", "coco", "cityscapes"]),
        ("maskattn-edge models ", 2, ["show", "get"]),
        ("maskattn-edge run --engine op", 3, ["openvino"]),
        ("maskattn-edge train --task ", 3, ["semantic", "instance", "panoptic"]),
        ("maskattn-edge study ablation --size ", 4, ["n", "s", "m", "l"]),
        ("maskattn-edge export x.pt --quantizer mo", 4, ["modelopt"]),
    ],
)
def test_what_may_follow(line, cursor, expected, cli_environment):
    assert sorted(complete(cli_environment, line, cursor)) == sorted(expected)


def test_every_engine_is_offered():
    assert completion.engines("") == list(CHOICES)
    assert completion.engines("tensor") == ["tensorrt"]
    assert completion.engines("x") == []


def test_engines_of_benchmarks_are_offered_where_these_are_installed(monkeypatch):
    assert "torch-compile" in completion.candidates("torch")
    monkeypatch.setitem(sys.modules, "maskattn_benchmarks.peers.table", None)
    assert completion.candidates("torch") == []


def test_the_names_are_those_that_the_libraries_take():
    settings = pytest.importorskip("maskattn_models.training.settings")
    network = pytest.importorskip("maskattn_models.network")
    backbone = pytest.importorskip("maskattn_models.backbone")
    export = pytest.importorskip("maskattn_export.settings")
    preprocess = pytest.importorskip("maskattn_edge.preprocess")
    assert completion.TASKS == TASKS
    assert get_args(network.Size) == completion.SIZES
    assert completion.ATTENTIONS == network.ATTENTION
    assert completion.PEERS == network.PEERS
    assert completion.LOSSES == settings.LOSSES
    assert get_args(settings.Device) == completion.DEVICES
    assert get_args(backbone.Backbone) == completion.BACKBONES
    assert get_args(preprocess.Resize) == completion.RESIZES
    assert completion.QUANTIZERS == export.QUANTIZERS


@pytest.mark.parametrize("shell", SHELLS)
def test_the_script_for_a_shell(shell, cli_environment):
    text = script_of(shell, cli_environment)
    assert SHELLS[shell] in text
    assert "_MASKATTN_EDGE_COMPLETE" in text


def script_of(shell, environment):
    return subprocess.run(
        [sys.executable, "-m", "maskattn_edge"],
        capture_output=True,
        text=True,
        check=True,
        env={**environment, "_MASKATTN_EDGE_COMPLETE": f"source_{shell}"},
    ).stdout


def test_bash_takes_the_script(cli_environment, tmp_path):
    script = tmp_path / "completion"
    script.write_text(script_of("bash", cli_environment))
    line = f"source {script} && complete -p maskattn-edge"
    done = subprocess.run(["bash", "-c", line], capture_output=True, text=True, check=True)
    assert "_maskattn_edge_completion" in done.stdout
