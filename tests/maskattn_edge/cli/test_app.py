"""The program itself: help, version, imports, and what becomes of errors."""

import subprocess
import sys

import pytest
import typer

import maskattn_edge
from maskattn_edge.__main__ import main as entry
from maskattn_edge.cli import app, commands
from maskattn_edge.contract.errors import SinkError, UsageError

HEAVY = {"torch", "onnx", "onnxruntime", "openvino", "tensorrt", "cuda", "cv2", "numpy", "msgspec"}


def modules_after(code: str, environment: dict[str, str]) -> set[str]:
    done = subprocess.run(
        [sys.executable, "-c", f"{code}\nimport sys; print(*sys.modules)"],
        check=True,
        capture_output=True,
        text=True,
        env=environment,
    )
    return set(done.stdout.split())


@pytest.mark.parametrize("module", ["maskattn_edge", "maskattn_edge.cli.app"])
def test_importing_loads_nothing_heavy(module: str, cli_environment: dict[str, str]) -> None:
    assert not HEAVY & modules_after(f"import {module}", cli_environment)


def test_help_loads_nothing_heavy(cli_environment: dict[str, str]) -> None:
    code = "from maskattn_edge.cli.app import run_command; assert run_command(['--help']) == 0"
    loaded = modules_after(code, cli_environment)
    assert not HEAVY & loaded
    assert "maskattn_edge.cli.run" not in loaded


def test_the_checks_above_can_fail(cli_environment: dict[str, str]) -> None:
    loaded = modules_after("import maskattn_edge; maskattn_edge.Segmentation", cli_environment)
    assert {"cv2", "numpy"} <= loaded


def test_public_names_are_sorted_and_there() -> None:
    assert maskattn_edge.__all__ == sorted(maskattn_edge.__all__)
    for name in maskattn_edge.__all__:
        assert getattr(maskattn_edge, name) is not None
    assert set(maskattn_edge._HOMES) == set(maskattn_edge.__all__) - {"__version__"}
    with pytest.raises(AttributeError, match="nothing_like_it"):
        maskattn_edge.nothing_like_it  # noqa: B018


def test_help_and_version(capsys: pytest.CaptureFixture[str]) -> None:
    assert app.run_command(["--help"]) == 0
    text = capsys.readouterr().out
    assert all(f"  {name} " in text for name in commands.COMMANDS)
    assert app.run_command([]) == 0
    assert capsys.readouterr().out == text
    assert app.run_command(["--version"]) == 0
    assert capsys.readouterr().out == f"maskattn-edge {maskattn_edge.__version__}\n"


@pytest.mark.parametrize("name", ["run", "build", "inspect", "models"])
def test_help_of_commands(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert app.run_command([name, "--help"]) == 0
    text = capsys.readouterr().out
    assert f"Examples:\n    maskattn-edge {name}" in text
    assert "[env var: MASKATTN_RUN_" not in text


@pytest.mark.parametrize("line", [["--foo"], ["fly"], ["run", "--frames", "0"], ["inspect"]])
def test_wrong_usage_is_one_line(line: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert app.run_command(line) == 2
    error = capsys.readouterr().err
    assert error.startswith("error: ")
    assert error.count("\n") == 1


def test_wrong_usage_names_the_help_of_its_command(capsys: pytest.CaptureFixture[str]) -> None:
    assert app.run_command(["run", "--fly"]) == 2
    assert capsys.readouterr().err.endswith("; see `maskattn-edge run --help`\n")


def test_a_command_with_commands(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    group = typer.Typer(no_args_is_help=True, help="Sums.")
    group.command("add")(lambda: typer.echo("added"))
    group.callback()(lambda: None)
    monkeypatch.setattr("maskattn_edge.cli.models.app", group)
    assert app.run_command(["models", "add"]) == 0
    assert capsys.readouterr().out == "added\n"
    assert app.run_command(["models"]) in {0, 2}  # Typer's versions differ
    captured = capsys.readouterr()
    assert "error" not in captured.err
    assert "add" in captured.out
    assert "--install-completion" not in captured.out


@pytest.mark.parametrize(
    ("error", "code", "text"),
    [
        (UsageError("a\nb"), 2, "error: a b"),
        (SinkError("no room"), 1, "error: no room"),
        (OSError(28, "No space left on device", "o.mp4"), 1, "o.mp4: No space left on device"),
        (KeyboardInterrupt(), 130, "error: interrupted"),
        (typer.Abort(), 130, "error: interrupted"),
        (ZeroDivisionError("x"), 1, "internal error: ZeroDivisionError: x; run again with --debug"),
    ],
)
def test_errors(
    error: BaseException,
    code: int,
    text: str,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def fail(*arguments: object) -> int:
        raise error

    monkeypatch.setattr(app, "_invoke", fail)
    assert app.run_command(["models"]) == code
    captured = capsys.readouterr().err
    assert text in captured
    assert captured.count("\n") == 1


def test_debug_shows_the_trace(capsys: pytest.CaptureFixture[str]) -> None:
    assert app.run_command(["--debug", "inspect", "nothing.onnx"]) == 1
    error = capsys.readouterr().err
    assert "Traceback" in error
    assert error.endswith("error: nothing.onnx: no such file\n")


def test_a_reader_that_leaves_is_no_error(tiny_model, cli_environment: dict[str, str]) -> None:
    # `head -c1` on a pipe of its own: enough output follows to hit the closed pipe.
    script = (
        f"{sys.executable} -m maskattn_edge run {tiny_model} --source "
        "'synthetic://?frames=60&width=64&height=48' --engine onnxruntime --jsonl - | head -c1"
    )
    done = subprocess.run(
        ["bash", "-c", script], capture_output=True, text=True, env=cli_environment, check=True
    )
    assert done.stdout == "{"
    assert "error" not in done.stderr
    assert "Exception" not in done.stderr


class Interrupted:
    """A module that is stopped by Ctrl-C while it is imported."""

    def find_spec(self, name: str, path: object = None, target: object = None) -> None:
        if name == "maskattn_edge.cli.app":
            raise KeyboardInterrupt


def test_an_interrupt_during_the_imports_is_one_line(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delitem(sys.modules, "maskattn_edge.cli.app")
    monkeypatch.setattr(sys, "meta_path", [Interrupted(), *sys.meta_path])
    with pytest.raises(SystemExit) as done:
        entry()
    assert done.value.code == 130
    assert capsys.readouterr().err == "error: interrupted\n"
