"""`results.json`, `results.md` and the plots of a study."""

from __future__ import annotations

from pathlib import Path

from maskattn_edge.contract.atomic import write_text
from maskattn_models.study.plots import write_differences, write_scores
from maskattn_models.study.results import StudyResult, unwritable, write_json
from maskattn_models.study.summary import summarise, table


def write_tables(folder: Path, result: StudyResult) -> None:
    """Write `results.json` and `results.md`.

    Raises:
        SinkError: a file cannot be written.
    """
    write_json(folder / "results.json", result)
    path = folder / "results.md"
    try:
        write_text(path, to_markdown(result))
    except OSError as error:
        raise unwritable(path, error) from error


def write_plots(folder: Path, result: StudyResult) -> None:
    """Draw `scores.png` and, where there are two arms or more, `differences.png`.

    Raises:
        SinkError: a file cannot be written.
        MissingDependencyError: matplotlib is not installed.
    """
    arms = summarise(result)
    try:
        if arms:
            write_scores(folder / "scores.png", result)
        if any(arm.difference for arm in arms):
            write_differences(folder / "differences.png", result)
    except OSError as error:
        raise unwritable(folder, error) from error


def conditions(result: StudyResult) -> str:
    """What all runs have in common, in a sentence."""
    devices = ", ".join(sorted({run.device for run in result.runs})) or "nothing yet"
    dates = sorted({run.date[:10] for run in result.runs})
    when = "" if not dates else f", {dates[0]}" + (f" to {dates[-1]}" if dates[1:] else "")
    recipe = "; ".join(f"{name} {value}" for name, value in result.recipe.items())
    return (
        f"{result.data}, mIoU of the split {result.split} on the {result.height}x{result.width} "
        f"grid, size {result.size}, {result.classes} classes, {result.epochs} epochs of batch "
        f"{result.batch}; {len(result.runs)} of {result.planned} runs complete; trained on "
        f"{devices}{when}. Mean and sample standard deviation over the seeds; differences are to "
        f"{result.arms[result.baseline]!r}, seed by seed."
        + (f" Recipe: {recipe}." if recipe else "")
    )


def to_markdown(result: StudyResult) -> str:
    """The table of a study, with what it was measured on."""
    headings, rows = table(result)
    lines = [
        f"# {result.title}",
        "",
        conditions(result),
        "",
        "| " + " | ".join(headings) + " |",
        "|---" + "|--:" * (len(headings) - 1) + "|",
        *("| " + " | ".join(row) + " |" for row in rows),
    ]
    return "\n".join(lines) + "\n"
