"""Every command and its options, as the configuration sees them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from maskattn_edge.cli.commands import COMMANDS, load_command

NOT_CONFIGURED = frozenset({"help", "version", "debug", "config", "no_config"})
"""Options that a file cannot set: they say what to do now, or which file to read."""

_OUTSIDE = frozenset({"config"})
"""Commands that take no options from a file: they show and write it."""


def configured_options(command: Any) -> dict[str, Any]:  # noqa: ANN401 - Typer hides its types
    """Key in a configuration file -> option, as in "stats-every" for `--stats-every`."""
    found: dict[str, Any] = {}
    for parameter in command.params:
        if parameter.param_type_name != "option" or parameter.name in NOT_CONFIGURED:
            continue
        longest: str = max(parameter.opts, key=len)
        found[longest.lstrip("-")] = parameter
    return found


def all_commands() -> Iterator[tuple[tuple[str, ...], Any]]:
    """(words of the command, command) of each that takes options from a file.

    This imports every command, and no library behind any of them.
    """
    for name in COMMANDS:
        if name not in _OUTSIDE:
            yield from _below((name,), load_command(name))


def find_command(words: tuple[str, ...]) -> Any | None:  # noqa: ANN401
    """The command of these words; None if there is none."""
    if not words or words[0] in _OUTSIDE or words[0] not in COMMANDS:
        return None
    command = load_command(words[0])
    for word in words[1:]:
        command = getattr(command, "commands", {}).get(word)
        if command is None:
            return None
    return command


def _below(words: tuple[str, ...], command: Any) -> Iterator[tuple[tuple[str, ...], Any]]:  # noqa: ANN401
    yield words, command
    for name, child in getattr(command, "commands", {}).items():
        yield from _below((*words, name), child)
