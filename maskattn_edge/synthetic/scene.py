"""A furnished room drawn from a seed: what stands where, and how to paint it at any time."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import cv2
import numpy as np
from numpy.typing import NDArray

from maskattn_edge.synthetic.bottle import draw_bottle
from maskattn_edge.synthetic.cable import Cable, draw_cable
from maskattn_edge.synthetic.camera import Camera, Loop, Pose
from maskattn_edge.synthetic.canvas import Canvas
from maskattn_edge.synthetic.items import Item, Placed, Stage, circle, farthest_first
from maskattn_edge.synthetic.labels import BOX, RAMP
from maskattn_edge.synthetic.lighting import (
    CELLS_PER_M,
    Light,
    cast_shadow,
    draw_floor_light,
    draw_light,
    to_map,
)
from maskattn_edge.synthetic.person import Person, draw_person
from maskattn_edge.synthetic.room import (
    DOOR_THING,
    FIRST_THING,
    FLOOR_THING,
    STUFF,
    WALL_THING,
    Room,
    draw_room,
    wall_lines,
)
from maskattn_edge.synthetic.solids import corners_of, prism, wedge
from maskattn_edge.synthetic.textures import Texture, draw_picture, draw_texture

_MAX_THINGS = 250


@dataclass(frozen=True, kw_only=True)
class Scene:
    """Everything that a frame is painted from.

    Attributes:
        room: the walls.
        light: the main light.
        floor_light: (h, w) factors on the floor with the shadows of what stands still.
        open_light: the same without shadows; sets the brightness of items.
        glare: lamps that a shiny floor reflects, each x, y, height, strength.
        cables: on the floor, with their numbers.
        placed: what stands on the floor.
        labels: (256,) uint8, class of each number on the canvas.
        path: of the camera.
        focal: focal length over the picture's width.
    """

    room: Room
    light: Light
    floor_light: NDArray[np.float32]
    open_light: NDArray[np.float32]
    glare: tuple[tuple[float, float, float, float], ...]
    cables: tuple[tuple[Cable, int], ...]
    placed: tuple[Placed, ...]
    labels: NDArray[np.uint8]
    path: Loop
    focal: float

    def paint(
        self, time_s: float, *, height: int, width: int
    ) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
        """The clean picture, (H, W, 3) uint8 BGR, and the number at each pixel, (H, W) uint8."""
        camera = Camera(self.path.pose(time_s), focal=self.focal, height=height, width=width)
        canvas = Canvas(camera)
        floor = self.floor_light.copy()
        for one in self.placed:
            if _moves(one.item):
                foot = one.item.footprint(time_s)
                cast_shadow(floor, foot, self.light, height=1.2, strength=0.8)
        canvas.face(self.room.floor, FLOOR_THING, light=to_map(floor, self.light.tint))
        for lamp in self.glare:
            _reflect(canvas, lamp)
        for cable, thing in self.cables:
            cable.draw(self._stage(canvas, cable, time_s), thing)
        self.room.draw_walls(canvas, self.light)
        for one in farthest_first(self.placed, eye=camera.position, time_s=time_s):
            one.draw(self._stage(canvas, one.item, time_s))
        return canvas.image, canvas.things

    def _stage(self, canvas: Canvas, item: Item, time_s: float) -> Stage:
        x, y, _ = circle(item.footprint(time_s))
        row = min(max(int(y * CELLS_PER_M), 0), self.open_light.shape[0] - 1)
        column = min(max(int(x * CELLS_PER_M), 0), self.open_light.shape[1] - 1)
        level = float(self.open_light[row, column])
        usual = self.light.ambient + self.light.direct * float(self.light.direction[2])
        return Stage(
            canvas=canvas,
            light=self.light,
            time_s=time_s,
            gain=min(max(level / usual, 0.65), 1.35),
        )


def _moves(item: Item) -> bool:
    return isinstance(item, Person) and item.loop > 0


def _reflect(canvas: Canvas, lamp: tuple[float, float, float, float]) -> None:
    """Add the mirror image of a lamp to what is on the canvas, in place."""
    x, y, height, strength = lamp
    camera = canvas.camera
    seen = camera.to_camera(np.array([[x, y, -height]]))
    if seen[0, 2] < 1.0:
        return
    column, row = camera.to_pixels(seen)[0]
    wide = camera.focal_px * 0.35 / seen[0, 2]
    high = wide * 2.8
    left, right = int(column - 3 * wide), int(column + 3 * wide)
    top, bottom = int(row - 3 * high), int(row + 3 * high)
    left, right = max(0, left), min(camera.width, right)
    top, bottom = max(0, top), min(camera.height, bottom)
    if left >= right or top >= bottom:
        return
    along = np.exp(-(((np.arange(left, right) - column) / wide) ** 2) / 2).astype(np.float32)
    down = np.exp(-(((np.arange(top, bottom) - row) / high) ** 2) / 2).astype(np.float32)
    glow = (np.outer(down, along) * strength).astype(np.uint8)
    below = canvas.image[top:bottom, left:right]
    cv2.add(below, cv2.merge([glow, glow, glow]), dst=below)


def draw_still(rng: np.random.Generator) -> Scene:
    """A room seen once, with things put where this one view looks."""
    length, width = _room_size(rng)
    margin = min(0.7, width / 3)
    x, y = rng.uniform((margin, margin), (length - margin, width - margin))
    yaw = max(
        rng.uniform(-math.pi, math.pi, 4),
        key=lambda angle: min(_reach(x, y, angle, length, width), 3),
    )
    path = Loop(
        center=(float(x), float(y)),
        axes=(0.0, 0.0),
        period_s=1.0,
        start=float(yaw),
        height_m=float(rng.uniform(0.25, 0.7)),
        pitch=float(rng.uniform(-0.42, 0.02)),
        roll=float(rng.normal(0, 0.02)),
        sway=0.0,
    )
    return _Furnisher(rng, length, width, path, crowd=1.0).scene()


def draw_moving(rng: np.random.Generator) -> Scene:
    """A room that a robot loops through, furnished all along its way."""
    length, width = _room_size(rng, larger=1.2)
    path = Loop(
        center=(length / 2, width / 2),
        axes=(max(0.6, length / 2 - 1.6), max(0.3, width / 2 - 1.5)),
        period_s=float(rng.uniform(34, 50)),
        start=float(rng.uniform(0, 2 * math.pi)),
        height_m=float(rng.uniform(0.3, 0.65)),
        pitch=float(rng.uniform(-0.3, -0.05)),
        roll=0.0,
        sway=float(rng.uniform(0.05, 0.14)),
    )
    return _Furnisher(rng, length, width, path, crowd=2.6).scene()


def _room_size(rng: np.random.Generator, larger: float = 1.0) -> tuple[float, float]:
    if rng.random() < 0.35:  # a corridor
        return float(rng.uniform(6, 13)), float(rng.uniform(1.9, 2.8) * larger)
    return float(rng.uniform(4, 8.5) * larger), float(rng.uniform(3.2, 6.5) * larger)


def _reach(x: float, y: float, yaw: float, length: float, width: float) -> float:
    """Metres from (x, y) to the wall in direction `yaw`."""
    across, up = math.cos(yaw), math.sin(yaw)
    to_x = ((length if across > 0 else 0.0) - x) / across if abs(across) > 1e-6 else math.inf
    to_y = ((width if up > 0 else 0.0) - y) / up if abs(up) > 1e-6 else math.inf
    return min(to_x, to_y)


@dataclass
class _Furnisher:
    """Fills a room from one generator; holds what is placed so far."""

    rng: np.random.Generator
    length: float
    width: float
    path: Loop
    crowd: float
    taken: list[tuple[float, float, float]] = field(default_factory=list)
    numbers: list[int] = field(default_factory=lambda: list(STUFF))

    def __post_init__(self) -> None:
        still = self.path.axes == (0.0, 0.0)
        times = [0.0] if still else np.linspace(0, self.path.period_s, 48, endpoint=False).tolist()
        self.poses: list[Pose] = [self.path.pose(time) for time in times]
        self.way = np.array([(pose.x, pose.y) for pose in self.poses])
        self.focal = float(self.rng.uniform(0.58, 0.95))
        self.half_view = math.atan(0.5 / self.focal)

    def scene(self) -> Scene:
        rng = self.rng
        self.textures: list[Texture] = [draw_texture(rng) for _ in range(5 + int(self.crowd))]
        light = draw_light(rng)
        room = draw_room(
            rng,
            length=self.length,
            width=self.width,
            textures=self.textures,
            doors=self._door_places(),
        )
        placed = []
        for leaf in room.leaves:
            x, y, radius = circle(leaf.footprint(0.0))
            if self._from_way(x, y) < radius + 0.25:
                continue
            self.taken.append((x, y, radius))
            placed.append(Placed(item=leaf, thing=DOOR_THING))
        placed += self._people() + self._ramps() + self._boxes() + self._pillars()
        placed += self._bottles()
        cables = self._cables()
        open_light = draw_floor_light(rng, light, length=self.length, width=self.width)
        floor_light = open_light.copy()
        for one in placed:
            if not _moves(one.item):
                foot = one.item.footprint(0.0)
                high = one.item.height
                cast_shadow(floor_light, foot, light, height=high, strength=rng.uniform(0.5, 1))
        glare = []
        if rng.random() < 0.45:
            for _ in range(rng.integers(1, 4)):
                x, y = rng.uniform((0, 0), (self.length, self.width))
                glare.append((float(x), float(y), 2.6, float(rng.uniform(40, 150))))
        labels = np.zeros(256, np.uint8)
        labels[: len(self.numbers)] = self.numbers
        return Scene(
            room=room,
            light=light,
            floor_light=floor_light,
            open_light=open_light,
            glare=tuple(glare),
            cables=tuple(cables),
            placed=tuple(placed),
            labels=labels,
            path=self.path,
            focal=self.focal,
        )

    def _number(self, item: Item) -> int:
        self.numbers.append(item.label)
        return len(self.numbers) - 1

    def _count(self, *shares: float) -> int:
        """How many of a kind: `shares` are the chances of 0, 1, 2... in a single view."""
        drawn = [self.rng.choice(len(shares), p=shares) for _ in range(round(self.crowd))]
        return int(sum(drawn)) if len(self.numbers) < _MAX_THINGS else 0

    def _from_way(self, x: float, y: float) -> float:
        return float(np.hypot(self.way[:, 0] - x, self.way[:, 1] - y).min())

    def _spot(
        self, radius: float, near: float, far: float, *, clear: float = 0.4
    ) -> tuple[float, float] | None:
        """A free place for a circle between `near` and `far` metres ahead of the camera."""
        rng = self.rng
        for _ in range(40):
            pose = self.poses[rng.integers(len(self.poses))]
            distance = radius + near + (far - near) * rng.beta(1.1, 1.9)
            bearing = pose.yaw + rng.uniform(-1.0, 1.0) * self.half_view
            x = pose.x + distance * math.cos(bearing)
            y = pose.y + distance * math.sin(bearing)
            edge = min(x, y, self.length - x, self.width - y)
            if edge < radius * 0.75 + 0.03 or self._from_way(x, y) < radius + clear:
                continue
            if all(math.hypot(x - a, y - b) > radius + r + 0.02 for a, b, r in self.taken):
                self.taken.append((x, y, radius))
                return x, y
        return None

    def _door_places(self) -> list[tuple[int, float]]:
        """Doors where the camera looks: wall number and metres along it."""
        places: list[tuple[int, float]] = []
        for _ in range(self._count(0.22, 0.45, 0.33)):
            pose = self.poses[self.rng.integers(len(self.poses))]
            bearing = pose.yaw + self.rng.uniform(-0.85, 0.85) * self.half_view
            reach = _reach(pose.x, pose.y, bearing, self.length, self.width)
            hit = np.array([pose.x, pose.y]) + reach * np.array(
                [math.cos(bearing), math.sin(bearing)]
            )
            for number, (start, end) in enumerate(wall_lines(self.length, self.width)):
                line = (end - start) / np.hypot(*(end - start))
                offset = hit - start
                if abs(offset[0] * line[1] - offset[1] * line[0]) < 1e-6:
                    at = float(offset @ line)
                    if all(which != number or abs(at - other) > 1.7 for which, other in places):
                        places.append((number, at))
                    break
        return places

    def _texture(self) -> Texture:
        return self.textures[self.rng.integers(len(self.textures))]

    def _yaw(self) -> float:
        if self.rng.random() < 0.4:
            return float(self.rng.integers(4)) * math.pi / 2
        return float(self.rng.uniform(0, 2 * math.pi))

    def _people(self) -> list[Placed]:
        placed = []
        for _ in range(self._count(0.4, 0.42, 0.18)):
            walks = len(self.poses) > 1 and self.rng.random() < 0.75
            loop = float(self.rng.uniform(0.35, 0.9)) if walks else 0.0
            spot = self._spot(loop + 0.3, 0.45, 4.0)
            if spot is None:
                continue
            still_gait = loop == 0 and len(self.poses) == 1 and self.rng.random() < 0.6
            person = draw_person(
                self.rng,
                x=spot[0],
                y=spot[1],
                textures=self.textures,
                loop=0.02 if still_gait else loop,
            )
            placed.append(Placed(item=person, thing=self._number(person)))
        return placed

    def _ramps(self) -> list[Placed]:
        rng = self.rng
        placed = []
        for _ in range(self._count(0.42, 0.5, 0.08)):
            size, wide = float(rng.uniform(0.5, 1.3)), float(rng.uniform(0.45, 1.1))
            spot = self._spot(math.hypot(size, wide) / 2, 0.35, 3.0, clear=0.3)
            if spot is None:
                continue
            ramp = wedge(
                rng,
                label=RAMP,
                base=corners_of(*spot, self._yaw(), size, wide),
                height=size * float(rng.uniform(0.16, 0.42)),
                texture=self._texture(),
                side_texture=self._texture(),
                texels_per_m=float(rng.uniform(130, 400)),
                treads=int(rng.choice([0, 0, 4, 8, 16])),
            )
            placed.append(Placed(item=ramp, thing=self._number(ramp)))
        return placed

    def _boxes(self) -> list[Placed]:
        rng = self.rng
        placed = []
        for _ in range(self._count(0.2, 0.35, 0.27, 0.18)):
            size = rng.uniform(0.2, 0.75, 3) * rng.uniform(0.7, 1.2)
            spot = self._spot(math.hypot(size[0], size[1]) / 2, 0.4, 3.8)
            if spot is None:
                continue
            yaw = self._yaw()
            base = corners_of(*spot, yaw, float(size[0]), float(size[1]))
            box = self._box(base, 0.0, float(size[2]))
            number = self._number(box)
            top: list[tuple[Item, int]] = []
            if rng.random() < 0.2:
                small = corners_of(*spot, yaw + rng.normal(0, 0.1), *(size[:2] * 0.75).tolist())
                load = self._box(small, float(size[2]), float(rng.uniform(0.12, 0.4)))
                top.append((load, self._number(load)))
            elif rng.random() < 0.2:
                bottle = draw_bottle(
                    rng, x=spot[0], y=spot[1], z=float(size[2]), textures=self.textures
                )
                top.append((bottle, self._number(bottle)))
            placed.append(Placed(item=box, thing=number, on_top=top))
        return placed

    def _box(self, base: NDArray[np.float64], bottom: float, height: float) -> Item:
        rng = self.rng
        sticker = draw_picture(rng) if rng.random() < 0.4 else None
        return prism(
            rng,
            label=BOX,
            base=base,
            bottom=bottom,
            height=height,
            texture=self._texture(),
            texels_per_m=float(rng.uniform(130, 450)),
            label_texture=sticker,
            taped=bool(rng.random() < 0.5),
        )

    def _pillars(self) -> list[Placed]:
        if self.rng.random() > 0.12 * self.crowd:
            return []
        size = float(self.rng.uniform(0.25, 0.5))
        spot = self._spot(size * 0.75, 1.0, 4.0, clear=0.6)
        if spot is None:
            return []
        pillar = prism(
            self.rng,
            label=STUFF[WALL_THING],
            base=corners_of(*spot, 0.0, size, size),
            bottom=0.0,
            height=4.0,
            texture=self._texture(),
            texels_per_m=200,
        )
        return [Placed(item=pillar, thing=WALL_THING)]

    def _bottles(self) -> list[Placed]:
        placed = []
        for _ in range(self._count(0.3, 0.32, 0.22, 0.16)):
            spot = self._spot(0.1, 0.3, 1.9, clear=0.35)
            if spot is None:
                continue
            bottle = draw_bottle(self.rng, x=spot[0], y=spot[1], z=0.0, textures=self.textures)
            placed.append(Placed(item=bottle, thing=self._number(bottle)))
        return placed

    def _cables(self) -> list[tuple[Cable, int]]:
        rng = self.rng
        cables = []
        for _ in range(self._count(0.35, 0.45, 0.2)):
            pose = self.poses[rng.integers(len(self.poses))]
            bearing = pose.yaw + rng.uniform(-0.7, 0.7) * self.half_view
            ahead = np.array([math.cos(bearing), math.sin(bearing)])
            start = np.array([pose.x, pose.y]) + ahead * rng.uniform(0.7, 1.8)
            room = (self.length, self.width)
            start = np.clip(start, 0.1, np.array(room) - 0.1)
            cable = draw_cable(
                rng,
                start=start,
                heading=float(pose.yaw + rng.choice([-1, 1]) * rng.uniform(0.9, 1.8)),
                length=float(rng.uniform(1.2, 3.0)),
                room=room,
            )
            cables.append((cable, self._number(cable)))
        return cables


def instance_table() -> NDArray[np.uint8]:
    """Instance of each number on the canvas, (256,) uint8: 0 for floor, wall and door."""
    table = np.arange(256) - (FIRST_THING - 1)
    return np.clip(table, 0, 255).astype(np.uint8)
