"""The program `maskattn-edge`: global options, and one place for what goes wrong."""

from __future__ import annotations

import os
import sys
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, TextIO

import typer
from typer.main import get_command

from maskattn_edge.cli.commands import LazyGroup
from maskattn_edge.cli.examples import as_manual
from maskattn_edge.cli.optional_value import with_web_address

_ClickException = typer.BadParameter.__mro__[2]  # Typer exports no base of its usage errors
_NAME = "maskattn-edge"
_COMPLETION = "_MASKATTN_EDGE_COMPLETE"

app = typer.Typer(name=_NAME, cls=LazyGroup, rich_markup_mode=None)


@dataclass
class _Options:
    debug: bool = False
    files: tuple[Path, ...] = ()


def _print_version(wanted: bool) -> None:
    if wanted:
        from maskattn_edge._version import __version__

        typer.echo(f"{_NAME} {__version__}")
        raise typer.Exit


@app.callback(invoke_without_command=True)
def _global_options(
    context: typer.Context,
    version: Annotated[
        bool,
        typer.Option(
            "--version", help="Print the version.", callback=_print_version, is_eager=True
        ),
    ] = False,
    debug: Annotated[bool, typer.Option("--debug", help="Show the trace of an error.")] = False,
    config: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Read this configuration instead of the usual files."),
    ] = None,
    no_config: Annotated[bool, typer.Option("--no-config", help="Read no configuration.")] = False,
) -> None:
    """Low-resolution segmentation for small robots. These options go before the command.

    Exit codes: 0 done, 1 failure, 2 wrong use, 130 interrupted. Options may be set in
    ./maskattn-edge.toml and ~/.config/maskattn-edge/config.toml, see `maskattn-edge config`.

    Example: maskattn-edge run --camera 0 --save out.webm

    Example: maskattn-edge doctor
    """
    context.obj.debug = debug
    if context.invoked_subcommand is None:
        typer.echo(context.get_help())
        return
    _configure(context, config, no_config)


def _configure(context: typer.Context, only: Path | None, none: bool) -> None:
    """Read the configuration, and let commands take their defaults from it."""
    from maskattn_edge.contract.errors import UsageError

    if only is not None and none:
        raise UsageError("--config and --no-config were both given: choose one")
    if none:
        return
    from maskattn_edge.cli.config_file import config_files, default_map, read_settings

    files = context.obj.files = config_files(only)
    if context.invoked_subcommand != "config" and any(file.is_file() for file in files):
        context.default_map = default_map(read_settings(files))


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line and exit: 0 done, 2 wrong use, 1 failure, 130 interrupted."""
    sys.exit(run_command(sys.argv[1:] if arguments is None else arguments))


def run_command(arguments: Sequence[str]) -> int:
    """Run one command line; errors become one line on stderr. Returns the exit code."""
    options = _Options()
    try:
        with warnings.catch_warnings():
            warnings.showwarning = _show_warning
            code = _invoke(with_web_address(arguments), options)
        sys.stdout.flush()
        return code
    except BrokenPipeError:
        # Whoever read our output has seen enough; Python must not complain when it exits.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except (KeyboardInterrupt, typer.Abort):
        return _fail("interrupted", 130)
    except Exception as error:
        if options.debug:
            import traceback

            traceback.print_exc()
        return _explain(error)


def _invoke(arguments: list[str], options: _Options) -> int:
    command: Any = as_manual(get_command(app))
    if os.environ.get(_COMPLETION):  # the shell asks what may follow
        command.main(arguments, prog_name=_NAME, complete_var=_COMPLETION)
    settings = {"obj": options, "auto_envvar_prefix": "MASKATTN"}
    try:
        with command.make_context(_NAME, arguments, **settings) as context:
            command.invoke(context)
    except typer.Exit as done:
        return int(done.exit_code)
    return 0


def _show_warning(
    message: Warning | str,
    category: type[Warning],
    filename: str,
    lineno: int,
    file: TextIO | None = None,
    line: str | None = None,
) -> None:
    """Our own warnings in one line; others as Python shows them."""
    from maskattn_edge.contract.errors import MaskAttnWarning

    if issubclass(category, MaskAttnWarning):
        print("warning:", " ".join(str(message).split()), file=sys.stderr)
    else:
        print(
            warnings.formatwarning(message, category, filename, lineno, line),
            end="",
            file=sys.stderr,
        )


def _explain(error: Exception) -> int:
    """Say what went wrong in one line; the exit code."""
    from maskattn_edge.contract.errors import MaskAttnError

    if isinstance(error, MaskAttnError):
        return _fail(str(error), error.exit_code)
    if isinstance(error, _ClickException):
        return _explain_usage(error)
    if isinstance(error, OSError) and error.strerror:
        where = f"{error.filename}: " if error.filename else ""
        return _fail(f"{where}{error.strerror}", 1)
    kind = type(error).__name__
    return _fail(f"internal error: {kind}: {error}; run again with --debug", 1)


def _explain_usage(error: Any) -> int:  # noqa: ANN401 - Typer hides its type
    message = error.format_message()
    if type(error).__name__ == "NoArgsIsHelpError":  # a group alone: its help is the answer
        print(message, end="\n" if message else "")
        return 2
    context = getattr(error, "ctx", None)
    path = _NAME if context is None else context.command_path
    return _fail(f"{message.rstrip('.')}; see `{path} --help`", 2)


def _fail(message: str, code: int) -> int:
    print("error:", " ".join(message.split()), file=sys.stderr)
    return code
