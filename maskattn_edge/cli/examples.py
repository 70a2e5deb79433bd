"""Help as manual pages have it: what a command does, its options, and examples at the end.

A docstring gives them as paragraphs that begin with "Example:".
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

_NOT_FROM_ENVIRONMENT = {"version", "install_completion", "show_completion"}
_EXAMPLE = re.compile(r"^Example: (.+)$", re.MULTILINE | re.DOTALL)


def as_manual(command: Any) -> Any:  # noqa: ANN401 - Typer hides its type
    """The same command and all below it, with the examples moved behind the options.

    Every option has an environment variable, by one rule; only those that break it are shown.
    """
    for child in getattr(command, "commands", {}).values():
        as_manual(child)
    for option in command.params:
        own = getattr(option, "envvar", None)
        option.show_envvar = own is not None
        option.allow_from_autoenv = own is None and option.name not in _NOT_FROM_ENVIRONMENT
    paragraphs = (command.help or "").split("\n\n")
    examples = [" ".join(text.split())[9:] for text in paragraphs if _EXAMPLE.match(text.strip())]
    command.help = "\n\n".join(text for text in paragraphs if not _EXAMPLE.match(text.strip()))
    command.examples = examples or list(_of_children(command))
    if command.examples:
        lines = "\n".join(f"  {line}" for line in command.examples)
        command.epilog = f"\b\nExamples:\n{lines}"  # \b keeps the lines as they are
    return command


def _of_children(command: Any) -> Iterator[str]:  # noqa: ANN401
    """Of a group without examples of its own, the first one of each command."""
    for child in getattr(command, "commands", {}).values():
        yield from child.examples[:1]
