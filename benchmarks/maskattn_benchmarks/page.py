"""The report as one HTML page that needs nothing from outside."""

from __future__ import annotations

import base64
from importlib import resources
from typing import Any

from maskattn_benchmarks import plots
from maskattn_benchmarks.cells import ms
from maskattn_benchmarks.results import Report, RobotRun, Run
from maskattn_benchmarks.robot_plot import age_plot, legend
from maskattn_benchmarks.tables import accuracy_text, figures, tables
from maskattn_benchmarks.tradeoff import tradeoff_plot
from maskattn_edge.optional import require


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
    html: str = environment.from_string(text).render(
        report=report,
        tables=tables(report),
        runs=[_run(run, index) for index, run in enumerate(timed)],
        failed=[run for run in report.runs if run.failure],
        engine_tail=plots.tail_plot(timed, "engine"),
        frame_tail=plots.tail_plot(timed, "frame_to_labels"),
        robots=[_robot(robot) for robot in report.robot],
        tradeoff=tradeoff_plot(timed),
        stages=plots.stage_plot(timed) if timed else "",
    )
    return html


def _robot(robot: RobotRun) -> dict[str, Any]:
    return {"name": robot.name, "ages": age_plot(robot), "legend": legend(robot)}


def _run(run: Run, index: int) -> dict[str, Any]:
    color = plots.color(index)
    told = figures(run, "frame_to_labels")
    return {
        "name": run.name,
        "color": color,
        "p50": ms(told.p50) if told else "",
        "rate": f"{1e3 / told.mean:.1f}" if told and told.mean else "",
        "accuracy": accuracy_text(run),
        "histogram": plots.histogram(run, "frame_to_labels", color),
        "series": plots.time_series(run, "frame_to_labels", color),
        "pictures": [base64.b64encode(picture).decode() for picture in run.pictures],
    }
