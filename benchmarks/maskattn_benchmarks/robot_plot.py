"""Ages of a robot's frames over time, inline SVG: what heat does to them is seen at a glance."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from maskattn_benchmarks import plots
from maskattn_benchmarks.results import RobotRun


def age_plot(robot: RobotRun) -> str:
    """Youngest to oldest frame of each moment, a colour per camera; empty without frames."""
    ages = [age for camera in robot.cameras for age in camera.age]
    if not ages:
        return ""
    x = plots.Axis(0.0, max(robot.seconds, 1e-6), plots.LEFT, plots.WIDTH - plots.RIGHT)
    y = plots.Axis(0.0, max(ages) * 1.08, plots.HEIGHT - plots.BOTTOM, plots.TOP)
    body = [plots.y_axis(y, "ms")]
    for index, camera in enumerate(robot.cameras):
        at, age = np.array(camera.at), np.array(camera.age)
        body.append(f'<g opacity="0.7">{plots.bands(at, age, x, y, plots.color(index))}</g>')
    body += [plots.x_tick(x(value), f"{value:g}") for value in x.ticks()]
    body.append(plots.unit("seconds"))
    return plots.svg(body, f"Age of frames over time, {robot.name}")


def gauge_plots(robot: RobotRun) -> list[tuple[str, str]]:
    """Name and inline SVG of each gauge over time; a gap is where it could not be read."""
    return [
        (name, _line(robot, name, values))
        for name, values in robot.series.gauges.items()
        if any(value is not None for value in values)
    ]


def _line(robot: RobotRun, name: str, values: Sequence[float | None]) -> str:
    known = [value for value in values if value is not None]
    spread = max(known) - min(known)
    margin = max(0.15 * spread, 0.02 * max(known), 0.1)
    low = max(0.0, min(known) - margin)
    x = plots.Axis(0.0, max(robot.seconds, 1e-6), plots.LEFT, plots.WIDTH - plots.RIGHT)
    y = plots.Axis(low, max(known) + margin, plots.HEIGHT - plots.BOTTOM, plots.TOP)
    way, pen = [], "M"
    for at, value in zip(robot.series.at, values, strict=True):
        if value is None:
            pen = "M"
            continue
        way.append(f"{pen}{x(at):.1f} {y(value):.1f}")
        pen = "L"
    body = [plots.y_axis(y, ""), f'<path d="{"".join(way)}" fill="none" stroke="#444" '
            'stroke-width="1.6" stroke-linecap="round"/>']  # fmt: skip
    body += [plots.x_tick(x(value), f"{value:g}") for value in x.ticks()]
    body.append(plots.unit("seconds"))
    return plots.svg(body, f"{name} over time, {robot.name}")


def legend(robot: RobotRun) -> list[tuple[str, str]]:
    """Colour and source of each camera."""
    return [(plots.color(index), camera.source) for index, camera in enumerate(robot.cameras)]
