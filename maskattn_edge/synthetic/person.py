"""People: jointed figures of rounded limbs that stand, walk or squat."""

from __future__ import annotations

import math
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from maskattn_edge.synthetic.camera import NEAR_M
from maskattn_edge.synthetic.items import Stage
from maskattn_edge.synthetic.labels import PERSON
from maskattn_edge.synthetic.textures import Texture, draw_color

_ARC = np.linspace(0, 2 * math.pi, 14, endpoint=False)
_RING = np.stack([np.cos(_ARC), np.sin(_ARC)], axis=1)


@dataclass(frozen=True, kw_only=True)
class Limb:
    """A rounded part over some joints, all of the hull that they span."""

    joints: tuple[tuple[str, float], ...]
    """Names, and radii in metres."""
    cloth: NDArray[np.uint8]


@dataclass(frozen=True, kw_only=True)
class Person:
    """One figure.

    Attributes:
        x: metres; the centre of the loop that it walks.
        y: metres.
        yaw: where it looks when it stands still.
        stature: metres from sole to crown.
        loop: radius in metres of the loop that it walks, 0 to stand.
        speed: metres a second along the loop, negative for clockwise.
        phase: of the gait, radians.
        stance: how far the legs are apart while standing.
        arms: swing of both arms, bend of both elbows, radians.
        squat: 0 upright to 1 on the heels.
        limbs: parts, without order.
    """

    x: float
    y: float
    yaw: float
    stature: float
    loop: float
    speed: float
    phase: float
    stance: float
    arms: tuple[float, float, float, float]
    squat: float
    limbs: tuple[Limb, ...]
    label: int = PERSON

    @property
    def height(self) -> float:
        """Metres above the floor."""
        return self.stature

    def _stand(self, time_s: float) -> tuple[float, float, float]:
        if self.loop == 0:
            return (self.x, self.y, self.yaw + 0.1 * math.sin(0.5 * time_s + self.phase))
        angle = self.phase + self.speed * time_s / self.loop
        turn = math.copysign(math.pi / 2, self.speed)
        return (
            self.x + self.loop * math.cos(angle),
            self.y + self.loop * math.sin(angle),
            angle + turn,
        )

    def footprint(self, time_s: float) -> NDArray[np.float64]:
        """A ring around the feet, (14, 2) metres."""
        x, y, _ = self._stand(time_s)
        return np.asarray(_RING * 0.24 + (x, y))

    def draw(self, stage: Stage, thing: int) -> None:
        """Paint the limbs, the farthest first."""
        x, y, yaw = self._stand(stage.time_s)
        names, local = self._joints(stage.time_s)
        ahead = np.array([math.cos(yaw), math.sin(yaw), 0.0])
        left = np.array([-ahead[1], ahead[0], 0.0])
        world = local @ np.stack([ahead, left, [0.0, 0.0, 1.0]]) + (x, y, 0.0)
        seen = stage.canvas.camera.to_camera(world)
        index = {name: row for row, name in enumerate(names)}
        from_side = float(stage.canvas.camera.rotation[0] @ stage.light.direction)
        parts = []
        for limb in self.limbs:
            rows = [index[name] for name, _ in limb.joints]
            parts.append((float(seen[rows, 2].mean()), limb, seen[rows]))
        for depth, limb, points in sorted(parts, key=lambda part: -part[0]):
            if depth > NEAR_M:
                _draw_limb(stage, thing, limb, points, from_side)

    def _joints(self, time_s: float) -> tuple[tuple[str, ...], NDArray[np.float64]]:
        """Names of the joints, and (N, 3) metres ahead, left and up of where it stands."""
        size = self.stature / 1.75
        walking = self.loop > 0
        step = self.phase + 2 * math.pi * abs(self.speed) * time_s / (1.45 * size)
        swing = 0.45 * math.sin(step) if walking else self.stance
        bob = 0.02 * math.cos(2 * step) if walking else 0.0
        hip = (0.92 - 0.52 * self.squat) * size + bob
        lean = 0.25 * self.squat + (0.06 if walking else 0.0)
        rows: dict[str, tuple[float, float, float]] = {}
        for side, sign in (("left", 1.0), ("right", -1.0)):
            angle = sign * swing
            lifted = 0.10 * max(0.0, math.cos(step) * sign) if walking else 0.0
            ankle = (0.82 * math.sin(angle) * size * (1 - 0.8 * self.squat), 0.08 + lifted)
            middle = (ankle[0] / 2 + (0.05 + 0.3 * lifted + 0.36 * self.squat) * size, hip * 0.55)
            across = sign * 0.10 * size
            rows[side + " hip"] = (0.0, across, hip)
            rows[side + " knee"] = (middle[0], across * (1 + self.squat), middle[1])
            rows[side + " ankle"] = (ankle[0], across, ankle[1])
            rows[side + " toe"] = (ankle[0] + 0.17 * size, across * 1.3, 0.04 + 0.4 * lifted)
            shoulder = (math.sin(lean) * 0.5, sign * 0.18 * size, hip + 0.52 * size)
            rows[side + " shoulder"] = shoulder
            move, bend = self.arms[0:2] if sign > 0 else self.arms[2:4]
            upper = move - (0.8 * angle if walking else 0.0)
            elbow = (
                shoulder[0] + 0.28 * size * math.sin(upper),
                sign * 0.24 * size,
                shoulder[2] - 0.28 * size * math.cos(upper),
            )
            rows[side + " elbow"] = elbow
            lower = upper + bend
            rows[side + " hand"] = (
                elbow[0] + 0.25 * size * math.sin(lower),
                sign * (0.24 - 0.06 * bend) * size,
                elbow[2] - 0.25 * size * math.cos(lower),
            )
        front = math.sin(lean) * 0.55
        rows["neck"] = (front, 0.0, hip + 0.55 * size)
        rows["chin"] = (front + 0.02, 0.0, hip + 0.66 * size)
        rows["crown"] = (front + 0.01, 0.0, hip + 0.75 * size)
        rows["hair"] = (front - 0.025, 0.0, hip + 0.765 * size)
        rows["nape"] = (front - 0.04, 0.0, hip + 0.68 * size)
        return tuple(rows), np.array(list(rows.values()))


def _draw_limb(
    stage: Stage, thing: int, limb: Limb, points: NDArray[np.float64], from_side: float
) -> None:
    camera = stage.canvas.camera
    radii = np.array([radius for _, radius in limb.joints])
    points = points.copy()
    points[:, 2] = np.maximum(points[:, 2], 2 * NEAR_M)
    pixels = camera.to_pixels(points)
    radii_px = camera.focal_px * radii / points[:, 2]
    rings = (pixels[:, None] + _RING * radii_px[:, None, None]).reshape(-1, 2)
    hull = cv2.convexHull(rings.astype(np.float32))[:, 0].astype(np.float64)
    half = len(pixels) // 2
    start, end = pixels[:half].mean(axis=0), pixels[half:].mean(axis=0)
    line = end - start
    length = float(np.hypot(*line))
    line = line / length if length > 1e-6 else np.array([0.0, 1.0])
    normal = np.array([-line[1], line[0]])
    reach = (rings - start) @ normal
    low, high = float(reach.min()), float(reach.max())
    radius = float(radii_px.max())
    top = start - line * radius
    frame = np.stack([top + normal * low, top + normal * high, top + normal * low])
    frame[2] += line * (length + 2 * radius)
    cloth = limb.cloth
    high_px, wide_px = cloth.shape[:2]
    across = np.linspace(-0.97, 0.97, wide_px)
    lit = from_side * normal[0] * across + 0.6 * np.sqrt(1 - across**2)
    gain = stage.gain * (stage.light.ambient + stage.light.direct * np.clip(lit + 0.15, 0, 1.1))
    shaded = np.clip(cloth * gain[None, :, None], 0, 255).astype(np.uint8)
    stage.canvas.blob(hull, shaded, frame, thing)


def draw_person(
    rng: np.random.Generator,
    *,
    x: float,
    y: float,
    textures: list[Texture],
    loop: float,
) -> Person:
    """A figure of random build, clothes and pose; it walks if `loop` is above 0."""
    skin = np.array([120, 160, 215]) * rng.uniform(0.3, 1.05) + rng.uniform(-12, 12, 3)
    trousers, shirt = (_cloth(rng, textures) for _ in range(2))
    shoes, hair, skin_cloth = _dye(rng, draw_color(rng)), _hair(rng), _dye(rng, skin)
    sleeve = shirt if rng.random() < 0.6 else skin_cloth
    shank = trousers if rng.random() < 0.8 else skin_cloth
    broad = rng.uniform(0.9, 1.25)
    limbs = []
    for side in ("left", "right"):
        limbs += [
            _limb(trousers, broad, (f"{side} hip", 0.085), (f"{side} knee", 0.065)),
            _limb(shank, broad, (f"{side} knee", 0.062), (f"{side} ankle", 0.045)),
            _limb(shoes, broad, (f"{side} ankle", 0.05), (f"{side} toe", 0.042)),
            _limb(shirt, broad, (f"{side} shoulder", 0.06), (f"{side} elbow", 0.045)),
            _limb(sleeve, broad, (f"{side} elbow", 0.045), (f"{side} hand", 0.035)),
            _limb(skin_cloth, 1.0, (f"{side} hand", 0.045), (f"{side} hand", 0.04)),
        ]
    shoulders = (("left shoulder", 0.07), ("right shoulder", 0.07))
    limbs.append(_limb(shirt, broad, *shoulders, ("left hip", 0.10), ("right hip", 0.10)))
    if rng.random() < 0.22:  # a coat or a skirt
        knees = (("left knee", 0.10), ("right knee", 0.10))
        cloth = shirt if rng.random() < 0.5 else trousers
        limbs.append(_limb(cloth, 1.0, ("left hip", 0.11), ("right hip", 0.11), *knees))
    limbs.append(_limb(skin_cloth, 1.0, ("neck", 0.05), ("chin", 0.05)))
    limbs.append(_limb(skin_cloth, 1.0, ("crown", 0.085), ("chin", 0.07)))
    limbs.append(_limb(hair, 1.0, ("hair", 0.092), ("nape", 0.07)))
    arms = [float(rng.normal(0, 0.35)), float(rng.uniform(0.05, 1.6))] * 2
    if rng.random() < 0.6:
        arms[2:] = [float(rng.normal(0, 0.35)), float(rng.uniform(0.05, 1.6))]
    return Person(
        x=x,
        y=y,
        yaw=float(rng.uniform(-math.pi, math.pi)),
        stature=float(rng.uniform(1.45, 1.92)),
        loop=loop,
        speed=float(rng.uniform(0.35, 0.9) * rng.choice([-1, 1])),
        phase=float(rng.uniform(0, 2 * math.pi)),
        stance=float(rng.normal(0, 0.22)),
        arms=(arms[0], arms[1], arms[2], arms[3]),
        squat=float(rng.uniform(0.5, 0.95)) if loop == 0 and rng.random() < 0.15 else 0.0,
        limbs=tuple(limbs),
    )


def _limb(cloth: NDArray[np.uint8], broad: float, *joints: tuple[str, float]) -> Limb:
    return Limb(joints=tuple((name, radius * broad) for name, radius in joints), cloth=cloth)


def _cloth(rng: np.random.Generator, textures: list[Texture]) -> NDArray[np.uint8]:
    tile = textures[rng.integers(len(textures))].levels[int(rng.integers(1, 3))]
    y, x = (int(v) for v in rng.integers(0, tile.shape[0] - 48, 2))
    return tile[y : y + 48, x : x + 32]


def _dye(
    rng: np.random.Generator, color: tuple[float, float, float] | NDArray[np.float64]
) -> NDArray[np.uint8]:
    plain = np.empty((12, 16, 3))
    plain[:] = color
    return np.clip(plain * rng.uniform(0.93, 1.07, (12, 16, 1)), 0, 255).astype(np.uint8)


def _hair(rng: np.random.Generator) -> NDArray[np.uint8]:
    tone = np.array([0.55, 0.75, 1.0]) * rng.uniform(20, 190)
    return _dye(rng, tone * rng.uniform(0.8, 1.2, 3))
