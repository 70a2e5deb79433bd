"""Cables and hoses: curves on the floor, thinner the farther away."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from maskattn_edge.synthetic.camera import Camera
from maskattn_edge.synthetic.items import Stage
from maskattn_edge.synthetic.labels import CABLE
from maskattn_edge.synthetic.textures import draw_color

_NEAR_M = 0.15

_ARC = np.linspace(0, 2 * math.pi, 8, endpoint=False)
_DISC = np.stack([np.cos(_ARC), np.sin(_ARC)], axis=1)


@dataclass(frozen=True, kw_only=True)
class Cable:
    """A round cable along `points`, (N, 2) metres, with two colours in turn and maybe a plug."""

    points: NDArray[np.float64]
    radius: float
    colors: tuple[tuple[float, float, float], tuple[float, float, float]]
    plug: float
    """Radius of the plug at its start, in metres; 0 for none."""
    label: int = CABLE

    @property
    def height(self) -> float:
        """Metres above the floor."""
        return 2 * self.radius

    def footprint(self, time_s: float) -> NDArray[np.float64]:
        """The curve itself, (N, 2) metres."""
        return self.points

    def draw(self, stage: Stage, thing: int) -> None:
        """Paint the shadow, the dark rim and the lit middle."""
        canvas, camera = stage.canvas, stage.canvas.camera
        aside = stage.light.direction[:2] * -0.9 * self.radius
        shadow = _outlines(camera, self.points + aside, 0.002, self.radius * 1.15, 0.0)
        canvas.darken(list(shadow.values()), 0.55)
        rims = _outlines(camera, self.points, self.radius, self.radius, self.plug)
        cores = _outlines(
            camera, self.points, self.radius * 1.35, self.radius * 0.5, self.plug * 0.6
        )
        gain = stage.gain * (stage.light.ambient + 0.8 * stage.light.direct)
        for outlines, shade in ((rims, 0.6), (cores, 1.15)):
            for turn, color in enumerate(self.colors):
                lit = [min(255.0, channel * gain * shade) for channel in color]
                canvas.strip([o for i, o in outlines.items() if i % 2 == turn], lit)
        canvas.mark(list(rims.values()), thing)


def _outlines(
    camera: Camera, points: NDArray[np.float64], level: float, radius: float, plug: float
) -> dict[int, NDArray[np.float64]]:
    """Convex outlines in pixels of a cable's stretches and two ends, by number, where in view."""
    world = np.column_stack([points, np.full(len(points), level)])
    seen = camera.to_camera(world)
    visible = seen[:, 2] > _NEAR_M
    seen[:, 2] = np.maximum(seen[:, 2], _NEAR_M)
    pixels = camera.to_pixels(seen)
    half = camera.focal_px * radius / seen[:, 2]
    step = np.gradient(pixels, axis=0)
    length = np.maximum(np.hypot(step[:, 0], step[:, 1]), 1e-6)
    normal = np.stack([-step[:, 1], step[:, 0]], axis=1) / length[:, None] * half[:, None]
    left, right = pixels + normal, pixels - normal
    quads = np.stack([left[:-1], left[1:], right[1:], right[:-1]], axis=1)
    outlines = {int(i): quads[i] for i in np.flatnonzero(visible[:-1] & visible[1:])}
    for number, end in ((len(points) - 1, 0), (len(points), -1)):
        if visible[end]:
            thick = plug if end == 0 and plug > 0 else radius
            outlines[number] = pixels[end] + _DISC * camera.focal_px * thick / seen[end, 2]
    return outlines


def draw_cable(
    rng: np.random.Generator,
    *,
    start: NDArray[np.float64],
    heading: float,
    length: float,
    room: tuple[float, float],
) -> Cable:
    """A winding cable from `start` that stays inside a room of `room` metres."""
    count = 56
    waves = np.linspace(0, 2 * math.pi, count)
    bend = np.zeros(count)
    for order in (1, 2, 3):
        bend += rng.normal(0, 1.0 / order) * np.sin(order * waves + rng.uniform(0, 2 * math.pi))
    if rng.random() < 0.25:  # coiled
        bend += np.linspace(0, rng.uniform(3, 9), count)
    direction = heading + bend
    step = length / count
    moves = np.stack([np.cos(direction), np.sin(direction)], axis=1) * step
    points = np.clip(start + np.cumsum(moves, axis=0), 0.05, np.array(room) - 0.05)
    color = draw_color(rng)
    striped = rng.random() < 0.25
    return Cable(
        points=points,
        radius=float(rng.uniform(0.008, 0.018)),
        colors=(color, draw_color(rng) if striped else color),
        plug=float(rng.uniform(0.025, 0.045)) if rng.random() < 0.4 else 0.0,
    )
