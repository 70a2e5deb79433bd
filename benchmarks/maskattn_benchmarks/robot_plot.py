"""Ages of a robot's frames over time, inline SVG: what heat does to them is seen at a glance."""

from __future__ import annotations

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
        body.append(
            plots.bands(np.array(camera.at), np.array(camera.age), x, y, plots.color(index))
        )
    body += [plots.x_tick(x(value), f"{value:g}") for value in x.ticks()]
    body.append(plots.unit("seconds"))
    return plots.svg(body, f"Age of frames over time, {robot.name}")


def legend(robot: RobotRun) -> list[tuple[str, str]]:
    """Colour and source of each camera."""
    return [(plots.color(index), camera.source) for index, camera in enumerate(robot.cameras)]
