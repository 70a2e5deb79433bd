"""`maskattn-edge config`: which options are set where, and a file to set them in."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from maskattn_edge.cli.config_file import Settings

app = typer.Typer(add_completion=False, rich_markup_mode=None, no_args_is_help=True)

_WIDTH = 96


@app.callback()
def config() -> None:
    """Show and write the configuration: TOML files that set any option of any command.

    A value is taken from, strongest first: the command line; the environment, as in
    MASKATTN_RUN_ENGINE; ./maskattn-edge.toml; ~/.config/maskattn-edge/config.toml; the default.
    `maskattn-edge --config FILE COMMAND` reads that file alone, `--no-config` none.
    """


@app.command()
def show(
    context: typer.Context,
    command: Annotated[
        list[str] | None, typer.Argument(help="Only of this command, as in `data prepare coco`.")
    ] = None,
    every: Annotated[
        bool, typer.Option("--all", help="Also what has its default, which is most.")
    ] = False,
) -> None:
    """Show what is set, and where, as TOML.

    Example: maskattn-edge config show

    Example: maskattn-edge config show run --all
    """
    from maskattn_edge.cli.config_file import read_settings
    from maskattn_edge.cli.option_tree import all_commands
    from maskattn_edge.contract.errors import UsageError

    wanted = tuple(command or ())
    settings = read_settings(context.obj.files)
    found = [each for each in all_commands() if each[0][: len(wanted)] == wanted]
    if not found:
        raise UsageError(f"{' '.join(wanted)} is no command with options")
    tables = {words: _set_lines(words, each, settings, every=every) for words, each in found}
    for words, lines in tables.items():
        if lines:
            typer.echo("\n".join([f"[{'.'.join(words)}]", *lines, ""]))
    if not any(tables.values()):
        typer.echo("# nothing is set; --all shows the defaults, `config init` writes a file")


@app.command()
def path(context: typer.Context) -> None:
    """Show the files that are read, strongest first.

    Example: maskattn-edge config path
    """
    for file in reversed(context.obj.files):
        typer.echo(f"{file.absolute()}{'' if file.is_file() else ' (not there)'}")


@app.command()
def init(
    user: Annotated[
        bool, typer.Option("--user", help="Write the user's file instead of the folder's.")
    ] = False,
    force: Annotated[
        bool, typer.Option("--force", help="Write over a file that is there.")
    ] = False,
) -> None:
    """Write a file that explains every option.

    All of them are commented out, so that it changes nothing until you edit it.

    Example: maskattn-edge config init

    Example: maskattn-edge config init --user
    """
    from maskattn_edge.cli.config_file import PROJECT_FILE, USER_FILE
    from maskattn_edge.contract.atomic import write_text
    from maskattn_edge.contract.errors import UsageError

    target = Path.home() / USER_FILE if user else PROJECT_FILE
    if target.exists() and not force:
        raise UsageError(f"{target} is there already: edit it, or give --force")
    write_text(target, template())
    typer.echo(f"written to {target}")


def template() -> str:
    """A configuration file that sets nothing and names everything."""
    import textwrap

    from maskattn_edge.cli.option_tree import all_commands, configured_options

    lines = ["# maskattn-edge: uncomment what you want to set. `maskattn-edge config show` tells"]
    lines += ["# what is set and where. The command line and the environment are stronger."]
    for words, command in all_commands():
        options = configured_options(command)
        if not options:
            continue
        lines += ["", f"[{'.'.join(words)}]"]
        for key, option in options.items():
            lines += [f"# {line}" for line in textwrap.wrap(option.help or "", _WIDTH)]
            lines.append(f"#{key} = {_toml(_default(option))}")
    return "\n".join(lines) + "\n"


def _set_lines(
    words: tuple[str, ...],
    command: Any,  # noqa: ANN401
    settings: Settings,
    *,
    every: bool,
) -> list[str]:
    from maskattn_edge.cli.option_tree import configured_options

    lines = []
    for key, option in configured_options(command).items():
        variable = next((name for name in variables(words, option) if os.environ.get(name)), None)
        if variable is not None:
            hidden = "token" in key
            value: object = "(hidden)" if hidden else os.environ[variable]
            lines.append(f"{key} = {_toml(value)}  # {variable}")
        elif key in settings.get(words, {}):
            setting = settings[words][key]
            lines.append(f"{key} = {_toml(setting.value)}  # {setting.file}")
        elif every:
            value = _default(option)
            comment = "" if value is not None else "#"
            lines.append(f"{comment}{key} = {_toml(value)}  # default")
    return lines


def variables(words: tuple[str, ...], option: Any) -> list[str]:  # noqa: ANN401
    """Environment variables that set an option; the first one that is set counts."""
    own = [option.envvar] if isinstance(option.envvar, str) else list(option.envvar or ())
    automatic = "_".join(("MASKATTN", *words, option.name)).replace("-", "_").upper()
    return [*own, automatic]


def _default(option: Any) -> object:  # noqa: ANN401
    value = option.default
    return None if callable(value) or "UNSET" in repr(value).upper() else value


def _toml(value: object) -> str:
    """A value as TOML; what is not set by default is shown as an empty text."""
    import json

    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, (int, float)):
        return str(value)
    if isinstance(value, (list, tuple)):
        return "[" + ", ".join(_toml(item) for item in value) + "]"
    # JSON's basic strings are TOML's, but for DEL, which no option has.
    return json.dumps("" if value is None else str(value), ensure_ascii=False)
