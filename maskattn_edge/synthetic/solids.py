"""Things with flat faces: boxes, pillars, door leaves and ramps."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from maskattn_edge.synthetic.canvas import UNIT, Face
from maskattn_edge.synthetic.items import Stage
from maskattn_edge.synthetic.lighting import draw_face_light
from maskattn_edge.synthetic.textures import Texture

_UP = np.array([0.0, 0.0, 1.0])


@dataclass(frozen=True, kw_only=True)
class Side:
    """A face of a solid, the direction that it looks in, and how bright its paint is."""

    face: Face
    normal: NDArray[np.float64]
    paint: float = 1.0
    sticker: bool = False


@dataclass(frozen=True, kw_only=True)
class Solid:
    """A convex body; only the sides that look at the camera are drawn."""

    label: int
    height: float
    base: NDArray[np.float64]
    sides: tuple[Side, ...]

    def footprint(self, time_s: float) -> NDArray[np.float64]:
        """Corners on the floor, (N, 2) metres."""
        return self.base

    def draw(self, stage: Stage, thing: int) -> None:
        """Paint the visible sides."""
        eye = stage.canvas.camera.position
        for side in self.sides:
            if float(side.normal @ (eye - side.face.origin)) <= 0:
                continue
            gain = stage.gain * stage.light.gain(side.normal) * side.paint
            stage.canvas.face(side.face, thing, gain=gain)


def rectangle(wide: float, high: float) -> NDArray[np.float64]:
    """Corners of a rectangle from (0, 0), (4, 2)."""
    return np.array([[0.0, 0.0], [wide, 0.0], [wide, high], [0.0, high]])


def corners_of(x: float, y: float, yaw: float, length: float, width: float) -> NDArray[np.float64]:
    """Corners of a turned rectangle around (x, y), counter-clockwise, (4, 2)."""
    ahead = np.array([math.cos(yaw), math.sin(yaw)])
    left = np.array([-ahead[1], ahead[0]])
    halves = [(-0.5, -0.5), (0.5, -0.5), (0.5, 0.5), (-0.5, 0.5)]
    return np.array([(x, y) + a * length * ahead + b * width * left for a, b in halves])


def upright(
    start: NDArray[np.float64],
    end: NDArray[np.float64],
    *,
    bottom: float,
    top: float,
    texture: Texture,
    texels_per_m: float,
    shift: tuple[float, float],
    light: NDArray[np.uint8] | None,
) -> Side:
    """A vertical rectangle over the floor line `start`-`end`, which has its outside right."""
    line = end - start
    wide = float(np.hypot(*line))
    along = np.array([line[0] / wide, line[1] / wide, 0.0])
    face = Face(
        outline=rectangle(wide, top - bottom),
        origin=np.array([start[0], start[1], top]),
        along=along,
        down=-_UP,
        texture=texture,
        texels_per_m=texels_per_m,
        shift=shift,
        light=light,
        extent=(wide, top - bottom),
    )
    return Side(face=face, normal=np.array([along[1], -along[0], 0.0]))


def prism(
    rng: np.random.Generator,
    *,
    label: int,
    base: NDArray[np.float64],
    bottom: float,
    height: float,
    texture: Texture,
    texels_per_m: float,
    label_texture: Texture | None = None,
    taped: bool = False,
) -> Solid:
    """A body with upright sides over a convex, counter-clockwise (N, 2) base, and a lid."""
    top = bottom + height
    shift = (float(rng.uniform(0, 3)), float(rng.uniform(0, 3)))
    sides = []
    for index, start in enumerate(base):
        end = base[(index + 1) % len(base)]
        light = draw_face_light(rng, height=16, width=16)
        if taped and index % 2 == 0:
            _tape(light, float(rng.uniform(1.15, 1.6)))
        side = upright(
            start,
            end,
            bottom=bottom,
            top=top,
            texture=texture,
            texels_per_m=texels_per_m,
            shift=shift,
            light=light,
        )
        sides.append(side)
        if label_texture is not None and rng.random() < 0.6:
            sides.append(_sticker(rng, side, label_texture))
    light = draw_face_light(rng, height=16, width=16, foot=0.0)
    if taped:
        _tape(light, 1.3)
    sides.append(_lid(base, top, texture, texels_per_m, shift, light))
    return Solid(label=label, height=top, base=base, sides=tuple(sides))


def _tape(light: NDArray[np.uint8], gain: float) -> None:
    middle = light[:, 7:9]
    light[:, 7:9] = np.clip(middle * gain, 0, 255).astype(np.uint8)


def _sticker(rng: np.random.Generator, side: Side, texture: Texture) -> Side:
    wide, high = side.face.extent
    size = rng.uniform(0.25, 0.7, 2) * (wide, high)
    corner = rng.uniform(0.08, 0.92, 2) * ((wide, high) - size)
    face = Face(
        outline=rectangle(float(size[0]), float(size[1])),
        origin=side.face.origin + corner[0] * side.face.along + corner[1] * side.face.down,
        along=side.face.along,
        down=side.face.down,
        texture=texture,
        texels_per_m=250 / float(size.max()),
    )
    return Side(face=face, normal=side.normal, sticker=True)


def _lid(
    base: NDArray[np.float64],
    top: float,
    texture: Texture,
    texels_per_m: float,
    shift: tuple[float, float],
    light: NDArray[np.uint8],
) -> Side:
    line = base[1] - base[0]
    along = np.array([*(line / np.hypot(*line)), 0.0])
    down = np.array([-along[1], along[0], 0.0])
    outline = (base - base[0]) @ np.stack([along[:2], down[:2]], axis=1)
    face = Face(
        outline=outline,
        origin=np.array([base[0, 0], base[0, 1], top]),
        along=along,
        down=down,
        texture=texture,
        texels_per_m=texels_per_m,
        shift=shift,
        light=light,
        extent=(float(outline[:, 0].max()), float(outline[:, 1].max())),
    )
    return Side(face=face, normal=_UP)


def wedge(
    rng: np.random.Generator,
    *,
    label: int,
    base: NDArray[np.float64],
    height: float,
    texture: Texture,
    side_texture: Texture,
    texels_per_m: float,
    treads: int,
) -> Solid:
    """A ramp over a rectangle: low at corners 0 and 3, `height` high at corners 1 and 2."""
    low_right, high_right, high_left, low_left = (np.array([*corner, 0.0]) for corner in base)
    lift = np.array([0.0, 0.0, height])
    slope = high_right + lift - low_right
    length = float(np.linalg.norm(slope))
    along = slope / length
    across = low_left - low_right
    width = float(np.linalg.norm(across))
    across = across / width
    normal = np.cross(along, across)
    light = draw_face_light(rng, height=4, width=64, foot=0.0)
    if treads:
        light[:, :: 64 // treads] = UNIT // 2
    deck = Face(
        outline=rectangle(length, width),
        origin=low_right,
        along=along,
        down=across,
        texture=texture,
        texels_per_m=texels_per_m,
        light=light,
        extent=(length, width),
    )
    sides = [Side(face=deck, normal=normal)]
    run = float(np.linalg.norm(high_right - low_right))
    ahead = (high_right - low_right) / run
    for start, direction, outside in (
        (low_right, ahead, -across),
        (low_left, ahead, across),
    ):
        cheek = Face(
            outline=np.array([[0.0, 0.0], [run, 0.0], [run, -height]]),
            origin=start,
            along=direction,
            down=-_UP,
            texture=side_texture,
            texels_per_m=texels_per_m,
        )
        sides.append(Side(face=cheek, normal=outside, paint=float(rng.uniform(0.6, 0.9))))
    back = upright(
        high_right[:2],
        high_left[:2],
        bottom=0.0,
        top=height,
        texture=side_texture,
        texels_per_m=texels_per_m,
        shift=(0.0, 0.0),
        light=None,
    )
    sides.append(back)
    return Solid(label=label, height=height, base=base, sides=tuple(sides))
