"""The report as one HTML page that needs nothing from outside."""

from __future__ import annotations

import base64
from importlib import resources
from typing import Any

from maskattn_benchmarks import plots
from maskattn_benchmarks.cells import NOT_MEASURED, Table, ms
from maskattn_benchmarks.results import Report, RobotRun, Run
from maskattn_benchmarks.robot_plot import age_plot, gauge_plots, legend
from maskattn_benchmarks.tables import accuracy_text, figures, tables
from maskattn_benchmarks.tradeoff import tradeoff_plot
from maskattn_edge.optional import require

CARDS = 6
"""Up to so many runs have a card each on top; more are read in the table below it."""


def page(report: Report) -> str:
    """The whole page. Every text is escaped by the template engine; plots escape their own.

    Raises:
        MissingDependencyError: jinja2 is not installed.
    """
    jinja2: Any = require("jinja2", purpose="the HTML report", extra="benchmark")
    environment = jinja2.Environment(
        autoescape=True, trim_blocks=True, lstrip_blocks=True, undefined=jinja2.StrictUndefined
    )
    text = resources.files("maskattn_benchmarks").joinpath("page.html").read_text(encoding="utf-8")
    timed = [run for run in report.runs if len(run.steady)]
    made = tables(report)
    html: str = environment.from_string(text).render(
        report=report,
        tables=[_table(table) for table in made],
        cards=len(timed) <= CARDS,
        runs=[_run(run, index) for index, run in enumerate(timed)],
        failed=[run for run in report.runs if run.failure],
        engine_tail=plots.tail_plot(timed, "engine"),
        frame_tail=plots.tail_plot(timed, "frame_to_labels"),
        robots=[_robot(robot) for robot in report.robot],
        tradeoff=tradeoff_plot(timed),
        stages=plots.stage_plot(timed) if timed else "",
    )
    return html


def _table(table: Table) -> dict[str, Any]:
    """The table, and whether most of each column is text, which is read from the left."""
    columns = list(zip(*table.rows, strict=True)) or [()] * len(table.headings)
    text = [
        number == 0 or 2 * sum(map(_is_text, column)) > len(column)
        for number, column in enumerate(columns)
    ]
    return {"table": table, "text": text, "pairs": len(columns) == 2}


def _is_text(cell: str) -> bool:
    return any(mark.isalpha() for mark in cell) and cell != NOT_MEASURED


def _robot(robot: RobotRun) -> dict[str, Any]:
    return {"name": robot.name, "ages": age_plot(robot), "legend": legend(robot),
            "gauges": gauge_plots(robot)}  # fmt: skip


def _run(run: Run, index: int) -> dict[str, Any]:
    color = plots.color(index)
    told = figures(run, "frame_to_labels")
    return {
        "name": run.name,
        "color": color,
        "dash": plots.dash(index),
        "number": index + 1,
        "p50": ms(told.p50) if told else "",
        "rate": f"{1e3 / told.mean:.1f}" if told and told.mean else "",
        "accuracy": accuracy_text(run),
        "histogram": plots.histogram(run, "frame_to_labels", color),
        "series": plots.time_series(run, "frame_to_labels", color),
        "pictures": [base64.b64encode(picture).decode() for picture in run.pictures],
    }
