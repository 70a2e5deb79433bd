"""Bottles: profiles of revolution, standing or lying, part glass and part opaque."""

from __future__ import annotations

import math
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from maskattn_edge.synthetic.camera import NEAR_M
from maskattn_edge.synthetic.items import Stage
from maskattn_edge.synthetic.labels import BOTTLE
from maskattn_edge.synthetic.textures import Texture, draw_color, draw_picture

_ARC = np.linspace(0, 2 * math.pi, 16, endpoint=False)
_COS, _SIN = np.cos(_ARC), np.sin(_ARC)

_PROFILES: tuple[tuple[tuple[float, float], ...], ...] = (
    # height and radius, as shares of length and greatest radius
    ((0.0, 0.85), (0.04, 1.0), (0.62, 1.0), (0.80, 0.45), (0.93, 0.38), (1.0, 0.42)),  # wine
    ((0.0, 0.9), (0.03, 1.0), (0.30, 0.9), (0.45, 1.0), (0.70, 1.0), (0.88, 0.4), (1.0, 0.4)),
    ((0.0, 0.95), (0.03, 1.0), (0.78, 1.0), (0.86, 0.7), (0.88, 0.62), (1.0, 0.6)),  # flask
    ((0.0, 0.8), (0.05, 1.0), (0.5, 0.95), (0.66, 0.6), (0.85, 0.36), (1.0, 0.34)),  # beer
    ((0.0, 0.9), (0.05, 1.0), (0.55, 1.0), (0.68, 0.8), (0.76, 0.36), (1.0, 0.36)),  # cleaner
)


@dataclass(frozen=True, kw_only=True)
class Part:
    """A stretch of a bottle between two heights, with its picture and opacity."""

    start: tuple[float, float]
    end: tuple[float, float]
    skin: NDArray[np.uint8]
    opacity: float


@dataclass(frozen=True, kw_only=True)
class Bottle:
    """One bottle: `axis` runs from the middle of its bottom to its mouth."""

    foot: NDArray[np.float64]
    axis: NDArray[np.float64]
    radius: float
    length: float
    parts: tuple[Part, ...]
    label: int = BOTTLE

    @property
    def height(self) -> float:
        """Metres above the floor."""
        return float(self.foot[2] + max(self.axis[2] * self.length, self.radius))

    def footprint(self, time_s: float) -> NDArray[np.float64]:
        """Corners around its shadow from above, (4, 2) metres."""
        tip = self.foot + self.axis * self.length
        low = np.minimum(self.foot, tip)[:2] - 0.8 * self.radius
        high = np.maximum(self.foot, tip)[:2] + 0.8 * self.radius
        return np.array([low, (high[0], low[1]), high, (low[0], high[1])])

    def draw(self, stage: Stage, thing: int) -> None:
        """Paint the parts, the farthest first."""
        camera = stage.canvas.camera
        side = np.cross(self.axis, [0.0, 0.0, 1.0] if abs(self.axis[2]) < 0.7 else [1.0, 0, 0])
        side = side / np.linalg.norm(side)
        other = np.cross(self.axis, side)
        ring = _COS[:, None] * side + _SIN[:, None] * other
        parts = []
        for part in self.parts:
            ends = []
            for share, radius in (part.start, part.end):
                middle = self.foot + self.axis * self.length * share
                ends.append(np.vstack([middle, middle + ring * radius * self.radius]))
            seen = camera.to_camera(np.concatenate(ends))
            if float(seen[:, 2].min()) > NEAR_M:
                parts.append((float(seen[:, 2].mean()), part, camera.to_pixels(seen)))
        for _, part, pixels in sorted(parts, key=lambda one: -one[0]):
            hull = cv2.convexHull(pixels.astype(np.float32))[:, 0].astype(np.float64)
            lower, upper = pixels[0], pixels[len(_ARC) + 1]
            line = lower - upper
            span = float(np.hypot(*line))
            line = line / span if span > 1e-6 else np.array([0.0, 1.0])
            normal = np.array([line[1], -line[0]])
            reach = (pixels - upper) @ normal
            low, high = float(reach.min()), float(reach.max())
            frame = np.stack([upper + normal * low, upper + normal * high, upper + normal * low])
            frame[2] += line * max(span, 1.0)
            skin = cv2.convertScaleAbs(
                part.skin, alpha=stage.gain * (stage.light.ambient + 0.7 * stage.light.direct)
            )
            stage.canvas.blob(hull, np.asarray(skin, np.uint8), frame, thing, opacity=part.opacity)


def draw_bottle(
    rng: np.random.Generator, *, x: float, y: float, z: float, textures: list[Texture]
) -> Bottle:
    """A bottle of random form and stuff at (x, y); on the floor it may lie."""
    radius = float(rng.uniform(0.04, 0.075))
    length = float(radius * rng.uniform(5.0, 7.5))
    lying = z == 0 and rng.random() < 0.3
    yaw = rng.uniform(0, 2 * math.pi)
    axis = np.array([math.cos(yaw), math.sin(yaw), 0.0]) if lying else np.array([0.0, 0.0, 1.0])
    profile = _PROFILES[rng.integers(len(_PROFILES))]
    glass = np.empty((16, 24, 3))
    glass[:] = draw_color(rng)
    opacity = float(rng.uniform(0.45, 0.8)) if rng.random() < 0.6 else 1.0
    shine = float(rng.uniform(0.1, 0.9))
    body = _round(glass, shine)
    full = float(rng.uniform(0.0, 0.9))
    drink = _round(glass * rng.uniform(0.3, 0.9), shine)
    parts = []
    for start, end in zip(profile[:-1], profile[1:], strict=True):
        filled = opacity < 1 and start[0] < full
        skin, dense = (drink, min(1.0, opacity + 0.2)) if filled else (body, opacity)
        parts.append(Part(start=start, end=end, skin=skin, opacity=dense))
    if rng.random() < 0.8:
        widest = max(profile[1:-1], key=lambda at: at[1])[1] * 1.01
        low = float(rng.uniform(0.1, 0.25))
        high = float(rng.uniform(0.35, 0.55))
        label = draw_picture(rng) if rng.random() < 0.5 else textures[rng.integers(len(textures))]
        paper = _round(np.asarray(label.levels[3], np.float64), 0.3 * shine)
        parts.append(Part(start=(low, widest), end=(high, widest), skin=paper, opacity=1.0))
    cap = np.empty((8, 16, 3))
    cap[:] = draw_color(rng)
    mouth = profile[-1][1] + 0.06
    parts.append(Part(start=(0.92, mouth), end=(1.02, mouth), skin=_round(cap, shine), opacity=1.0))
    foot = np.array([x, y, z + (radius if lying else 0.0)]) - (axis * length / 2 if lying else 0.0)
    return Bottle(foot=foot, axis=axis, radius=radius, length=length, parts=tuple(parts))


def _round(skin: NDArray[np.float64], shine: float) -> NDArray[np.uint8]:
    """Shade a picture as if bent around a cylinder, with a streak of reflected light."""
    across = np.linspace(-0.98, 0.98, skin.shape[1])
    gain = 0.45 + 0.6 * np.sqrt(1 - across**2)
    streak = 200 * shine * np.exp(-(((across + 0.45) / 0.12) ** 2))
    lit = skin * gain[None, :, None] + streak[None, :, None]
    return np.clip(lit, 0, 255).astype(np.uint8)
