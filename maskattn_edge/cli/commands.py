"""Which commands there are; each one's module is imported when it is called."""

from __future__ import annotations

import importlib
from typing import Any, NamedTuple, cast

import typer
from typer.core import TyperGroup
from typer.main import get_command

from maskattn_edge.cli.examples import as_manual


class CommandEntry(NamedTuple):
    """Where a command lives, and what it does in one line.

    `attribute` is a function, or a Typer application where the command has commands of its own.
    """

    module: str
    attribute: str
    help: str


COMMANDS = {
    "run": CommandEntry("maskattn_edge.cli.run", "run", "Segment a camera, a video or pictures."),
    "evaluate": CommandEntry(
        "maskattn_edge.cli.evaluate", "evaluate", "Score a model on labelled images."
    ),
    "train": CommandEntry("maskattn_edge.cli.train", "train", "Train a model on your data."),
    "export": CommandEntry(
        "maskattn_edge.cli.export", "export", "Turn a checkpoint into verified model files."
    ),
    "build": CommandEntry(
        "maskattn_edge.cli.build", "build", "Build this device's TensorRT engine, verified."
    ),
    "study": CommandEntry(
        "maskattn_edge.cli.study", "app", "Compare trainings over seeds, with statistics."
    ),
    "benchmark": CommandEntry(
        "maskattn_edge.cli.benchmark", "benchmark", "Measure what a model costs on this machine."
    ),
    "compare": CommandEntry(
        "maskattn_edge.cli.compare", "compare", "Say which differences of two benchmarks are real."
    ),
    "data": CommandEntry("maskattn_edge.cli.data", "app", "Prepare and check data sets."),
    "inspect": CommandEntry(
        "maskattn_edge.cli.inspect", "inspect", "Show what a model file says of itself."
    ),
    "models": CommandEntry(
        "maskattn_edge.cli.models", "app", "List models, show their cards, fetch others."
    ),
    "config": CommandEntry("maskattn_edge.cli.config", "app", "Show and write the configuration."),
    "doctor": CommandEntry(
        "maskattn_edge.cli.doctor", "doctor", "Say what this machine can do, and how to mend it."
    ),
}
"""Command -> its entry, in the order of the help."""


def load_command(name: str) -> Any:  # noqa: ANN401 - Typer hides its type
    """Import a command of `COMMANDS`, with its examples at the end of its help."""
    entry = COMMANDS[name]
    target = getattr(importlib.import_module(entry.module), entry.attribute)
    holder = typer.Typer(add_completion=False, rich_markup_mode=None)
    if isinstance(target, typer.Typer):
        holder.add_typer(target, name=name)
        return as_manual(cast(TyperGroup, get_command(holder)).commands[name])
    holder.command(name)(target)
    return as_manual(get_command(holder))


class LazyGroup(TyperGroup):
    """Loads a command when it is called, so that `--help` needs none of them."""

    def list_commands(self, ctx: Any) -> list[str]:  # noqa: ANN401
        """Names of the commands, in the order of the help."""
        return list(COMMANDS)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:  # noqa: ANN401
        """Import a command; None if there is no such command."""
        return load_command(cmd_name) if cmd_name in COMMANDS else None

    def format_commands(self, ctx: Any, formatter: Any) -> None:  # noqa: ANN401
        """List the commands by their entries, without importing them."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, entry.help) for name, entry in COMMANDS.items()])
