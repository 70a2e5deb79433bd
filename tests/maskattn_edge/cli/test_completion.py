"""Shell completion, as a shell asks for it."""

import subprocess
import sys

import pytest

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
    ],
)
def test_what_may_follow(line, cursor, expected, cli_environment):
    assert sorted(complete(cli_environment, line, cursor)) == sorted(expected)


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
