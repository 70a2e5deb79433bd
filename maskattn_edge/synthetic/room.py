"""The empty room: floor, ceiling, walls with what hangs on them, and doors."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from maskattn_edge.synthetic.canvas import Canvas, Face
from maskattn_edge.synthetic.labels import DOOR, FLOOR, WALL
from maskattn_edge.synthetic.lighting import Light, draw_face_light
from maskattn_edge.synthetic.solids import Side, Solid, corners_of, prism, rectangle, upright
from maskattn_edge.synthetic.textures import Texture, draw_picture

FLOOR_THING, WALL_THING, DOOR_THING, FIRST_THING = 0, 1, 2, 3
"""Numbers on the canvas; the first three are not counted."""

STUFF = (FLOOR, WALL, DOOR)
"""Class of each number below `FIRST_THING`."""


@dataclass(frozen=True, kw_only=True)
class Room:
    """Four walls around [0, length] x [0, width] metres.

    Attributes:
        length: metres along x.
        width: metres along y.
        floor: the floor's face; its light map is given when it is drawn.
        walls: ceiling, walls and what hangs on them, in drawing order, with their numbers.
        leaves: door leaves that stand open.
    """

    length: float
    width: float
    floor: Face
    walls: tuple[tuple[Side, int], ...]
    leaves: tuple[Solid, ...]

    def draw_walls(self, canvas: Canvas, light: Light) -> None:
        """Paint all but the floor."""
        for side, thing in self.walls:
            inside = float(side.normal @ (canvas.camera.position - side.face.origin))
            if inside > 0:
                canvas.face(side.face, thing, gain=light.gain(side.normal) * side.paint)


def draw_room(
    rng: np.random.Generator,
    *,
    length: float,
    width: float,
    textures: list[Texture],
    doors: list[tuple[int, float]],
) -> Room:
    """A room with random surfaces.

    Args:
        doors: wall number 0..3 and the middle of the door along it in metres.
    """
    floor = Face(
        outline=rectangle(length, width),
        origin=np.zeros(3),
        along=np.array([1.0, 0.0, 0.0]),
        down=np.array([0.0, 1.0, 0.0]),
        texture=_pick(rng, textures),
        texels_per_m=float(np.exp(rng.uniform(math.log(110), math.log(420)))),
        shift=(float(rng.uniform(0, 3)), float(rng.uniform(0, 3))),
        extent=(length, width),
    )
    ceiling = float(rng.uniform(2.3, 3.2))
    lid = Face(
        outline=rectangle(length, width),
        origin=np.array([0.0, 0.0, ceiling]),
        along=np.array([1.0, 0.0, 0.0]),
        down=np.array([0.0, 1.0, 0.0]),
        texture=_pick(rng, textures),
        texels_per_m=float(rng.uniform(60, 200)),
    )
    down = np.array([0.0, 0.0, -1.0])
    walls = [(Side(face=lid, normal=down, paint=float(rng.uniform(1.0, 1.7))), WALL_THING)]
    leaves = []
    common = _pick(rng, textures)
    pictures = [draw_picture(rng) for _ in range(2)]
    for number, (start, end) in enumerate(wall_lines(length, width)):
        texture = common if rng.random() < 0.75 else _pick(rng, textures)
        wall = _Wall(start, end, ceiling)
        base = wall.panel(
            0.0, wall.wide, 0.0, ceiling, texture, float(rng.uniform(80, 330)),
            light=draw_face_light(rng, height=24, width=24, foot=0.5),
        )  # fmt: skip
        walls.append((base, WALL_THING))
        walls += [(side, WALL_THING) for side in _hangings(rng, wall, textures, pictures)]
        for at in (middle for which, middle in doors if which == number):
            sides, leaf = _door(rng, wall, at, textures)
            walls += [(side, DOOR_THING) for side in sides]
            leaves += [leaf] if leaf is not None else []
    return Room(length=length, width=width, floor=floor, walls=tuple(walls), leaves=tuple(leaves))


def wall_lines(
    length: float, width: float
) -> list[tuple[NDArray[np.float64], NDArray[np.float64]]]:
    """Foot lines of the four walls, with the room on their right."""
    corners = [np.array(c) for c in ((0.0, 0.0), (0.0, width), (length, width), (length, 0.0))]
    return [(corners[i], corners[(i + 1) % 4]) for i in range(4)]


@dataclass(frozen=True)
class _Wall:
    start: NDArray[np.float64]
    end: NDArray[np.float64]
    ceiling: float

    @property
    def wide(self) -> float:
        return float(np.hypot(*(self.end - self.start)))

    def at(self, distance: float) -> NDArray[np.float64]:
        return np.asarray(self.start + (self.end - self.start) * distance / self.wide)

    def panel(
        self,
        left: float,
        right: float,
        bottom: float,
        top: float,
        texture: Texture,
        texels_per_m: float,
        *,
        light: NDArray[np.uint8] | None = None,
        paint: float = 1.0,
    ) -> Side:
        side = upright(
            self.at(left),
            self.at(right),
            bottom=bottom,
            top=min(top, self.ceiling),
            texture=texture,
            texels_per_m=texels_per_m,
            shift=(left % 1.0, bottom),
            light=light,
        )
        return Side(face=side.face, normal=side.normal, paint=paint)


def _pick(rng: np.random.Generator, textures: list[Texture]) -> Texture:
    return textures[rng.integers(len(textures))]


def _hangings(
    rng: np.random.Generator, wall: _Wall, textures: list[Texture], pictures: list[Texture]
) -> list[Side]:
    """Panels, posters, windows, cupboards' fronts and the skirting board of one wall."""
    sides = []
    if rng.random() < 0.3:  # the lower part is another material
        top = float(rng.uniform(0.5, 1.4))
        light = draw_face_light(rng, height=8, width=8)
        sides.append(wall.panel(0, wall.wide, 0, top, _pick(rng, textures), 200, light=light))
    for _ in range(rng.integers(0, 4)):
        wide, high = rng.uniform(0.3, 1.3, 2)
        left = float(rng.uniform(0.1, max(0.2, wall.wide - wide - 0.1)))
        bottom = float(rng.uniform(0.35, 1.3))
        paint = 1.0
        if rng.random() < 0.25:  # a window or a lit screen
            paint = float(rng.uniform(1.6, 2.6))
        rim = _pick(rng, textures)
        sides.append(
            wall.panel(left - 0.03, left + wide + 0.03, bottom - 0.03, bottom + high + 0.03,
                       rim, 300, paint=0.8)
        )  # fmt: skip
        picture = _pick(rng, pictures if rng.random() < 0.5 else textures)
        scale = float(250 / max(wide, high))
        sides.append(
            wall.panel(left, left + wide, bottom, bottom + high, picture, scale, paint=paint)
        )
    if rng.random() < 0.65:
        high = float(rng.uniform(0.05, 0.14))
        board = _pick(rng, textures)
        sides.append(wall.panel(0, wall.wide, 0, high, board, 300, paint=rng.uniform(0.6, 1.2)))
    return sides


def _door(
    rng: np.random.Generator, wall: _Wall, at: float, textures: list[Texture]
) -> tuple[list[Side], Solid | None]:
    """Frame, panel or opening, handle; and the leaf if it stands open."""
    wide = float(rng.uniform(0.75, 1.05))
    high = float(rng.uniform(1.9, 2.15))
    at = min(max(at, wide / 2 + 0.2), wall.wide - wide / 2 - 0.2)
    left, right = at - wide / 2, at + wide / 2
    rim = float(rng.uniform(0.05, 0.12))
    frame_texture, texture = _pick(rng, textures), _pick(rng, textures)
    light = draw_face_light(rng, height=64, width=32, foot=0.3)
    sides = [
        wall.panel(left - rim, right + rim, 0, high + rim, frame_texture, 250,
                   paint=rng.uniform(0.7, 1.2))
    ]  # fmt: skip
    if rng.random() < 0.25:
        sides.append(
            wall.panel(left, right, 0, high, texture, 60, light=light,
                       paint=rng.choice([0.15, 0.3, 0.5, 1.5]))
        )  # fmt: skip
        return sides, _leaf(rng, wall, left, wide, high, texture)
    _mould(rng, light)
    scale = float(rng.uniform(120, 300))
    sides.append(wall.panel(left, right, 0.01, high, texture, scale, light=light))
    sides.append(wall.panel(left, left + 0.012, 0, high, texture, scale, paint=0.35))
    sides.append(wall.panel(right - 0.012, right, 0, high, texture, scale, paint=0.35))
    if rng.random() < 0.25:  # a pane of glass, or a plate to kick
        bottom, top = (1.0, 1.75) if rng.random() < 0.5 else (0.06, 0.32)
        pane, paint = _pick(rng, textures), float(rng.uniform(0.4, 2.0))
        sides.append(wall.panel(left + 0.15, right - 0.15, bottom, top, pane, 200, paint=paint))
    knob = left + 0.07 if rng.random() < 0.5 else right - 0.07
    metal = _pick(rng, textures)
    level = float(rng.uniform(0.95, 1.08))
    sides.append(wall.panel(knob - 0.03, knob + 0.03, level - 0.12, level + 0.1, metal, 300,
                            paint=rng.uniform(0.5, 1.7)))  # fmt: skip
    reach = 0.13 if knob < at else -0.13
    ends = sorted((knob, knob + reach))
    sides.append(wall.panel(ends[0], ends[1], level, level + 0.03, metal, 300,
                            paint=rng.uniform(0.4, 1.9)))  # fmt: skip
    return sides, None


def _mould(rng: np.random.Generator, light: NDArray[np.uint8]) -> None:
    """Press panels into a door's light map, in place."""
    rows = int(rng.integers(0, 4))
    columns = int(rng.integers(1, 3))
    high, wide = light.shape[:2]
    for row in range(rows):
        for column in range(columns):
            top, bottom = (high * row) // rows + 4, (high * (row + 1)) // rows - 4
            left, right = (wide * column) // columns + 3, (wide * (column + 1)) // columns - 3
            for lines, gain in (
                ((slice(top, top + 1), slice(left, right)), 0.6),
                ((slice(top, bottom), slice(left, left + 1)), 0.7),
                ((slice(bottom - 1, bottom), slice(left, right)), 1.3),
                ((slice(top, bottom), slice(right - 1, right)), 1.2),
            ):
                light[lines] = np.clip(light[lines] * gain, 0, 255).astype(np.uint8)


def _leaf(
    rng: np.random.Generator, wall: _Wall, left: float, wide: float, high: float, texture: Texture
) -> Solid:
    along = (wall.end - wall.start) / wall.wide
    yaw = math.atan2(along[1], along[0]) - rng.uniform(0.5, 1.9)  # into the room
    middle = wall.at(left) + (wide / 2) * np.array([math.cos(yaw), math.sin(yaw)])
    inward = np.array([along[1], -along[0]])
    middle = middle + 0.06 * inward
    base = corners_of(float(middle[0]), float(middle[1]), yaw, wide, 0.04)
    return prism(
        rng,
        label=DOOR,
        base=base,
        bottom=0.01,
        height=high,
        texture=texture,
        texels_per_m=200,
    )
