"""`maskattn-edge compare`: which differences between two benchmarks are real."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from maskattn_benchmarks.compare import Comparison


def compare(
    first: Annotated[Path, typer.Argument(metavar="A.json", help="Results of the baseline.")],
    second: Annotated[Path, typer.Argument(metavar="B.json", help="Results that are judged.")],
    fail_above: Annotated[
        str, typer.Option(metavar="SHARE", help="Slowdown that is still let pass, as in 5%.")
    ] = "0%",
    baseline: Annotated[
        str | None, typer.Option(metavar="RUN", help="Name of a run in A.json.")
    ] = None,
    candidate: Annotated[
        str | None, typer.Option(metavar="RUN", help="Name of a run in B.json.")
    ] = None,
) -> None:
    """Say of each figure whether B is faster, slower, or can't be told from A.

    Runs of the same name are compared, or the two that are named; A and B may be one file. The
    exit code is 1 if a figure is slower by more than the limit, and 2 if a file cannot be used.

    Example: maskattn-edge compare main.json change.json --fail-above 5%
    """
    from maskattn_benchmarks.compare import compare as judge
    from maskattn_benchmarks.compare import fraction
    from maskattn_benchmarks.results import read_results

    limit = fraction(fail_above)
    found = judge(read_results(first), read_results(second), baseline=baseline, candidate=candidate)
    _print(found)
    slower = [each for each in found.differences if each.regressed(limit)]
    if slower:
        worst = max(slower, key=lambda each: each.interval.change if each.interval else 0)
        change = worst.interval.change if worst.interval else 0.0
        print(
            f"{len(slower)} figures are slower by more than {100 * limit:g} %; the worst is "
            f"{worst.metric.replace('_', ' ')} {worst.figure}, {100 * change:+.1f} %"
        )
        raise typer.Exit(1)


def _print(found: Comparison) -> None:
    pairs = dict.fromkeys((each.baseline, each.candidate) for each in found.differences)
    for names in pairs:
        _print_pair(found, *names)
    print("paired: the runs were interleaved" if found.paired else "not paired")
    for text in dict.fromkeys(each.note for each in found.differences if each.note):
        print(f"- can't tell: {text}")
    for text in found.caveats:
        print(f"- {text}")


def _print_pair(found: Comparison, baseline: str, candidate: str) -> None:
    from rich.console import Console
    from rich.table import Table

    print(f"A: {baseline}\nB: {candidate}")
    table = Table()
    for number, heading in enumerate(("figure", "A, ms", "B, ms", "change", "interval", "verdict")):
        table.add_column(heading, justify="right" if 0 < number < 5 else "left")
    for each in found.differences:
        if (each.baseline, each.candidate) != (baseline, candidate):
            continue
        span = each.interval
        table.add_row(
            f"{each.metric.replace('_', ' ')} {each.figure}",
            f"{each.before:.3f}",
            f"{each.after:.3f}",
            "" if span is None else f"{100 * span.change:+.1f} %",
            "" if span is None else f"{100 * span.low:+.1f} to {100 * span.high:+.1f} %",
            each.verdict,
        )
    Console().print(table)
