"""Light on surfaces: one main direction, ambient light, and maps of shade for faces."""

from __future__ import annotations

import math
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from maskattn_edge.synthetic.canvas import UNIT

CELLS_PER_M = 16
"""Resolution of the floor's light map."""


@dataclass(frozen=True, kw_only=True)
class Light:
    """Where most light comes from and how soft it is.

    Attributes:
        direction: (3,) unit vector from the floor towards the light.
        ambient: brightness of a face that the light does not reach.
        direct: what the light adds to a face that looks straight at it.
        tint: (3,) BGR factors of the direct light over the ambient.
    """

    direction: NDArray[np.float64]
    ambient: float
    direct: float
    tint: NDArray[np.float64]

    def gain(self, normal: NDArray[np.float64]) -> float:
        """Brightness of a face with this outward unit normal."""
        return self.ambient + self.direct * max(0.0, float(normal @ self.direction))


def draw_light(rng: np.random.Generator) -> Light:
    """Light from a random side, hard or soft, warm or cold."""
    azimuth = rng.uniform(0, 2 * math.pi)
    height = rng.uniform(0.45, 1.35)
    direction = np.array(
        [
            math.cos(azimuth) * math.cos(height),
            math.sin(azimuth) * math.cos(height),
            math.sin(height),
        ]
    )
    ambient = rng.uniform(0.4, 0.8)
    warmth = rng.uniform(-0.12, 0.12)
    return Light(
        direction=direction,
        ambient=ambient,
        direct=1.1 - ambient,
        tint=np.array([1 - warmth, 1.0, 1 + warmth]),
    )


def to_map(
    shade: NDArray[np.float32], tint: NDArray[np.float64] | None = None
) -> NDArray[np.uint8]:
    """Factors, (h, w), as a light map, (h, w, 3) uint8."""
    planes = [
        np.clip(shade * np.float32(factor * UNIT), 0, 255).astype(np.uint8)
        for factor in ((1.0, 1.0, 1.0) if tint is None else tint)
    ]
    return np.dstack(planes)


def draw_face_light(
    rng: np.random.Generator, *, height: int = 12, width: int = 12, foot: float = 0.4
) -> NDArray[np.uint8]:
    """Shade of an upright face: a random slope, darker by `foot` at its lower end."""
    y = np.linspace(0, 1, height)[:, None]
    x = np.linspace(-1, 1, width)[None, :]
    slope = 1 + rng.uniform(-0.18, 0.18) * x + rng.uniform(-0.1, 0.1) * (y - 0.5)
    dark = 1 - rng.uniform(0.4, 1.0) * foot * np.clip((y - 0.75) / 0.25, 0, 1) ** 2
    return to_map((slope * dark).astype(np.float32))


def draw_floor_light(
    rng: np.random.Generator, light: Light, *, length: float, width: float
) -> NDArray[np.float32]:
    """Light on an empty floor, (cells of y, cells of x): lamps, a window's patch, dim edges."""
    high, wide = math.ceil(width * CELLS_PER_M), math.ceil(length * CELLS_PER_M)
    y = (np.arange(high, dtype=np.float32)[:, None] + 0.5) / CELLS_PER_M
    x = (np.arange(wide, dtype=np.float32)[None, :] + 0.5) / CELLS_PER_M
    shade = np.full((high, wide), light.ambient + light.direct * light.direction[2], np.float32)
    shade += np.float32(rng.uniform(-0.25, 0.25)) * (x / length - 0.5)
    for _ in range(rng.integers(0, 4)):  # pools of lamp light
        at_x, at_y = rng.uniform(0, length), rng.uniform(0, width)
        size = rng.uniform(0.6, 2.0)
        power = rng.uniform(0.1, 0.35)
        shade += np.float32(power) * np.exp(-((x - at_x) ** 2 + (y - at_y) ** 2) / (2 * size**2))
    if rng.random() < 0.35:  # sun through a window
        patch = np.zeros_like(shade)
        corner = rng.uniform((0, 0), (length, width)) * CELLS_PER_M
        lean = rng.uniform(-1.0, 1.0)
        span_x, span_y = rng.uniform(0.4, 1.6, 2) * CELLS_PER_M
        corners = [[0, 0], [span_x, 0], [span_x + lean * span_y, span_y], [lean * span_y, span_y]]
        outline = np.array(corners) + corner
        cv2.fillConvexPoly(patch, np.rint(outline).astype(np.int32), (1.0,))
        shade += np.float32(rng.uniform(0.3, 0.8)) * cv2.blur(patch, (3, 3))
    wall = np.minimum(np.minimum(x, length - x), np.minimum(y, width - y))
    dim = 1 - np.float32(rng.uniform(0.1, 0.45)) * np.exp(-np.maximum(wall, 0) / 0.25)
    return np.asarray(shade * dim, np.float32)


def cast_shadow(
    shade: NDArray[np.float32],
    outline: NDArray[np.float64],
    light: Light,
    *,
    height: float,
    strength: float,
) -> None:
    """Darken a floor's light in place under an (N, 2) footprint and away from the light."""
    reach = min(height, 1.2) * light.direction[:2] / max(light.direction[2], 0.35)
    swept = np.concatenate([outline, outline - 0.7 * reach])
    away = math.ceil(0.15 * CELLS_PER_M)
    for points, blur, dark in ((outline, 0.05, 0.55), (swept, 0.05 + 0.1 * height, 0.5)):
        cells = points * CELLS_PER_M - 0.5
        radius = max(1, round(blur * CELLS_PER_M * 2))
        margin = 2 * radius + away
        left, top = (np.floor(cells.min(axis=0)) - margin).astype(int)
        right, bottom = (np.ceil(cells.max(axis=0)) + margin).astype(int)
        left, top = max(0, left), max(0, top)
        right, bottom = min(shade.shape[1], right), min(shade.shape[0], bottom)
        if left >= right or top >= bottom:
            continue
        mask = np.zeros((bottom - top, right - left), np.float32)
        hull = cv2.convexHull((cells - (left, top)).astype(np.float32))
        cv2.fillConvexPoly(mask, np.rint(hull).astype(np.int32), (1.0,))
        mask = np.asarray(cv2.blur(mask, (2 * radius + 1, 2 * radius + 1)), np.float32)
        shade[top:bottom, left:right] *= 1 - np.float32(dark * strength) * mask
