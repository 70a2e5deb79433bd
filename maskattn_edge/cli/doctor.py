"""`maskattn-edge doctor`: what this machine can do, and the exact mend of what it cannot."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.console import Console

    from maskattn_edge.doctor import Finding, System

_STYLES = {"ok": "green", "warning": "yellow", "broken": "bold red"}
_STATUS_WIDTH, _NAME_WIDTH = 9, 15


def doctor(
    json: Annotated[bool, typer.Option("--json", help="Print it as JSON.")] = False,
    record: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Also write all that was asked of this machine."),
    ] = None,
    replay: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Look at a recorded machine instead of this one."),
    ] = None,
) -> None:
    """Look at this machine: ok, warning or broken, each with the command that mends it.

    A warning means that `run` works, but slower or without something. The exit code is 1 if
    something is broken that `run` needs. Nothing is changed.

    Example: maskattn-edge doctor

    Example: maskattn-edge doctor --json

    Example: maskattn-edge doctor --record machine.json
    """
    from rich.console import Console

    from maskattn_edge.doctor import Recorder, diagnose, write_recording

    system = Recorder(_system(replay))
    console = Console(highlight=False, soft_wrap=True)
    findings = []
    for finding in diagnose(system):
        findings.append(finding)
        if not json:
            print_finding(console, finding)
    if record is not None:
        write_recording(record, system.recording)
    if json:
        print(as_json(findings))
    else:
        console.print(_total(findings))
    if any(finding.status == "broken" for finding in findings):
        raise typer.Exit(1)


def _system(replay: Path | None) -> System:
    from maskattn_edge.doctor import RecordedSystem, ThisSystem, read_recording

    return ThisSystem() if replay is None else RecordedSystem(read_recording(replay))


def print_finding(console: Console, finding: Finding) -> None:
    """Status, name and text; the mend on a line of its own, whole, so that it can be copied."""
    from rich.text import Text

    indent = " " * (_STATUS_WIDTH + _NAME_WIDTH)
    first, *rest = _wrapped(finding.text, console.width - len(indent))
    console.print(
        Text(f"{finding.status:<{_STATUS_WIDTH}}", _STYLES[finding.status]),
        Text(f"{finding.name:<{_NAME_WIDTH}}", "bold"),
        Text(first),
        sep="",
    )
    for line in rest:
        console.print(Text(indent + line))
    for detail in finding.details:
        first, *rest = _wrapped(detail, console.width - len(indent))
        for line in (first, *(f"    {line}" for line in rest)):
            console.print(Text(indent + line, "dim"))
    if finding.mend:
        console.print(Text(indent), Text(f"$ {finding.mend}", "cyan"), sep="")


def _wrapped(text: str, width: int) -> list[str]:
    import textwrap

    return textwrap.wrap(
        text, max(width, 40), break_long_words=False, break_on_hyphens=False,
        drop_whitespace=True, subsequent_indent="",
    ) or [""]  # fmt: skip


def _total(findings: Sequence[Finding]) -> str:
    warnings = sum(finding.status == "warning" for finding in findings)
    faults = sum(finding.status == "broken" for finding in findings)
    text = f"{len(findings)} checks: {warnings} warning{'s' * (warnings != 1)}, {faults} broken"
    return f"\n{text}; `run` " + ("does not work before they are mended" if faults else "works")


def as_json(findings: Sequence[Finding]) -> str:
    """The whole report."""
    import msgspec

    from maskattn_edge import __version__

    report = {
        "schema": 1,
        "version": __version__,
        "ok": all(finding.status != "broken" for finding in findings),
        "findings": findings,
    }
    return msgspec.json.format(msgspec.json.encode(report), indent=2).decode()
