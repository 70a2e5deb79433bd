"""What stands on the floor, and the order in which it hides what is behind."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from maskattn_edge.synthetic.canvas import Canvas
from maskattn_edge.synthetic.lighting import Light


@dataclass(frozen=True, kw_only=True)
class Stage:
    """What drawing an item needs to know."""

    canvas: Canvas
    light: Light
    time_s: float
    gain: float
    """Brightness of the place where the item stands."""


class Item(Protocol):
    """Something with a place on the floor that can draw itself."""

    @property
    def label(self) -> int:
        """Class of its pixels."""
        ...

    @property
    def height(self) -> float:
        """Metres above the floor."""
        ...

    def footprint(self, time_s: float) -> NDArray[np.float64]:
        """Where it touches the floor, (N, 2) metres, convex."""
        ...

    def draw(self, stage: Stage, thing: int) -> None:
        """Paint it as number `thing`."""
        ...


@dataclass(frozen=True, kw_only=True)
class Placed:
    """An item, its number, and others that stand on top of it."""

    item: Item
    thing: int
    on_top: Sequence[tuple[Item, int]] = ()

    def draw(self, stage: Stage) -> None:
        """Paint the item and what it carries, the farther one first.

        Seen from above its top, the item hides nothing of its load; from below, it may.
        """
        above = float(stage.canvas.camera.position[2]) > self.item.height
        if above:
            self.item.draw(stage, self.thing)
        for load, number in self.on_top:
            load.draw(stage, number)
        if not above:
            self.item.draw(stage, self.thing)


def circle(points: NDArray[np.float64]) -> tuple[float, float, float]:
    """A circle around (N, 2) points: x, y, radius."""
    center = (points.min(axis=0) + points.max(axis=0)) / 2
    radius = float(np.hypot(*(points - center).T).max())
    return (float(center[0]), float(center[1]), radius)


def farthest_first(
    placed: Sequence[Placed], *, eye: NDArray[np.float64], time_s: float
) -> list[Placed]:
    """Sort so that a later item is never hidden by an earlier one.

    Footprints lie in circles that do not meet; seen from outside, the one with the shorter
    tangent can hide the other but not be hidden by it.
    """

    def tangent(one: Placed) -> float:
        x, y, radius = circle(one.item.footprint(time_s))
        return float((eye[0] - x) ** 2 + (eye[1] - y) ** 2) - radius**2

    return sorted(placed, key=tangent, reverse=True)
