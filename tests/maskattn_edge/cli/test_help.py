"""Help: every command ends in examples, and every example is a line that it takes."""

import shlex

import pytest
from typer.main import get_command

from maskattn_edge.cli import app
from maskattn_edge.cli.commands import COMMANDS, load_command
from maskattn_edge.cli.examples import as_manual


def commands():
    yield ("maskattn-edge",), as_manual(get_command(app.app))
    for name in COMMANDS:
        yield from below(("maskattn-edge", name), load_command(name))


def below(words, command):
    yield words, command
    for name, child in getattr(command, "commands", {}).items():
        yield from below((*words, name), child)


ALL = {" ".join(words): command for words, command in commands()}


@pytest.mark.parametrize("name", ALL)
def test_every_command_has_examples_of_itself(name):
    command = ALL[name]
    assert command.examples
    assert all(line.startswith(name) for line in command.examples)
    assert "Example:" not in command.help
    assert command.epilog.startswith("\b\nExamples:\n  maskattn-edge")


@pytest.mark.parametrize(
    "line", sorted({line for command in ALL.values() for line in command.examples})
)
def test_every_example_parses(line, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    parse(line)


@pytest.mark.parametrize("line", ["maskattn-edge run --fly", "maskattn-edge fly"])
def test_the_check_above_can_fail(line):
    with pytest.raises(Exception, match="No such"):
        parse(line)


def parse(line):
    """Read a line as the program does, without running the command."""
    program, *words = shlex.split(line)
    assert program == "maskattn-edge"
    command, words = ALL["maskattn-edge"], list(app.with_web_address(words))
    context = command.make_context("maskattn-edge", words, obj=app._Options())
    while hasattr(command, "resolve_command") and context._protected_args + context.args:
        left = [*context._protected_args, *context.args]
        name, command, left = command.resolve_command(context, left)
        context = command.make_context(name, left, parent=context)


def test_an_example_is_shown_as_one_line(capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "60")
    assert app.run_command(["export", "--help"]) == 0
    assert "\n    maskattn-edge export runs/camvid/best.pt --int8\n" in capsys.readouterr().out
