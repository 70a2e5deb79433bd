"""Configuration files: found, read, checked, and laid over each other.

What a value is taken from, strongest first: the command line; the environment variable
MASKATTN_COMMAND_OPTION; ./maskattn-edge.toml; ~/.config/maskattn-edge/config.toml; the default.
With `--config FILE` that file stands in place of both files, with `--no-config` none is read.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import typer

from maskattn_edge.cli.option_tree import all_commands, configured_options, find_command
from maskattn_edge.contract.errors import UsageError

PROJECT_FILE = Path("maskattn-edge.toml")
USER_FILE = Path(".config/maskattn-edge/config.toml")
"""Below the user's home folder."""

MAX_BYTES = 2**20
ALTERNATIVES = (("camera", "source"),)
"""Options of which one replaces the other: the stronger place decides which."""

_STRENGTH = ("COMMANDLINE", "ENVIRONMENT", "DEFAULT_MAP", "DEFAULT", "PROMPT")

Values = dict[str, Any]


@dataclass(frozen=True)
class Setting:
    """A value, and the file that it stands in."""

    value: Any
    file: Path


Settings = dict[tuple[str, ...], dict[str, Setting]]
"""Words of a command -> key -> setting."""


def config_files(only: Path | None = None) -> tuple[Path, ...]:
    """Where configuration may stand, weakest first; a file that was named must be there.

    Raises:
        UsageError: `only` is missing.
    """
    if only is None:
        return (Path.home() / USER_FILE, PROJECT_FILE)
    if not only.is_file():
        raise UsageError(f"{only}: no such configuration file")
    return (only,)


def read_settings(files: tuple[Path, ...]) -> Settings:
    """The settings of all files that exist, later files over earlier ones.

    Raises:
        UsageError: a file is not TOML, names an unknown command or option, or gives an option a
            value that it does not take.
    """
    merged: Settings = {}
    for file in files:
        if not file.is_file():
            continue
        for words, values in _tables(_read(file), (), file):
            known = merged.setdefault(words, {})
            for key in values:
                _drop_alternatives(known, key)
            known.update({key: Setting(value, file) for key, value in values.items()})
    return merged


def default_map(settings: Settings) -> dict[str, Any]:
    """The settings as Click takes them: nested by command, by names of parameters."""
    nested: dict[str, Any] = {}
    for words, values in settings.items():
        place = nested
        for word in words:
            place = place.setdefault(word, {})
        options = configured_options(find_command(words))
        for key, setting in values.items():
            place[options[key].name] = _as_typed(setting.value)
    return nested


def was_given(context: typer.Context, name: str) -> bool:
    """Whether an option comes from the command line, not from a file or the environment."""
    source = context.get_parameter_source(name)
    return source is not None and source.name == "COMMANDLINE"


def drop_weaker(context: typer.Context, first: str, second: str) -> tuple[Any, Any]:
    """Values of two alternatives; if both are set, in places of unlike strength, the stronger."""
    values = [context.params[name] for name in (first, second)]
    sources = [context.get_parameter_source(name) for name in (first, second)]
    ranks = [_STRENGTH.index(source.name) if source else len(_STRENGTH) for source in sources]
    if None in values or ranks[0] == ranks[1]:
        return values[0], values[1]
    return (values[0], None) if ranks[0] < ranks[1] else (None, values[1])


def _as_typed(value: Any) -> Any:  # noqa: ANN401
    """As the command line would give it; a path may be written as a number in TOML."""
    if isinstance(value, list):
        return [_as_typed(item) for item in value]
    return value if isinstance(value, bool) else str(value)


def _drop_alternatives(known: dict[str, Setting], key: str) -> None:
    for group in ALTERNATIVES:
        for other in group if key in group else ():
            known.pop(other, None)


def _read(file: Path) -> Mapping[str, Any]:
    if sys.version_info >= (3, 11):
        import tomllib
    else:
        import tomli as tomllib
    try:
        if file.stat().st_size > MAX_BYTES:
            raise UsageError(f"{file}: a configuration has at most {MAX_BYTES:,} bytes")
        table: Mapping[str, Any] = tomllib.loads(file.read_text(encoding="utf-8"))
        return table
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UsageError(f"{file}: not TOML: {error}") from error
    except OSError as error:
        raise UsageError(f"{file}: cannot be read: {error.strerror}") from error


def _tables(
    table: Mapping[str, Any], words: tuple[str, ...], file: Path
) -> list[tuple[tuple[str, ...], Values]]:
    """Each command's values, checked."""
    command = find_command(words)
    if words and command is None:
        names = {" ".join(name) for name, _ in all_commands()}
        raise UsageError(
            f"{file}: [{'.'.join(words)}] is no command{_similar(' '.join(words), names)}"
        )
    options = {} if command is None else configured_options(command)
    values: Values = {}
    found = []
    for key, value in table.items():
        if isinstance(value, Mapping):
            found += _tables(value, (*words, key), file)
            continue
        if not words:
            raise UsageError(f"{file}: {key} stands before the first [command]")
        if key not in options:
            raise UsageError(
                f"{file}: [{'.'.join(words)}] has no option {key}{_similar(key, set(options))}"
            )
        values[key] = _checked(options[key], value, f"{file}: [{'.'.join(words)}] {key}", command)
    if words:
        found.append((words, values))
    return found


def _checked(option: Any, value: object, where: str, command: Any) -> object:  # noqa: ANN401
    """The value, if the option takes it."""
    context = command.make_context("", [], resilient_parsing=True)
    if isinstance(value, bool) != bool(option.is_flag):
        wanted = "true or false" if option.is_flag else "a value, not true or false"
        raise UsageError(f"{where}: takes {wanted}, got {value!r}")
    if isinstance(value, list) != bool(option.multiple):
        raise UsageError(f"{where}: takes {'a list' if option.multiple else 'no list'}")
    try:
        option.process_value(context, _as_typed(value))
    except typer.BadParameter as error:
        raise UsageError(f"{where}: {error.message}") from error
    return value


def _similar(word: str, known: set[str]) -> str:
    import difflib

    close = difflib.get_close_matches(word, known, n=1)
    return f"; is {close[0].replace(' ', '.')} meant?" if close else ""
