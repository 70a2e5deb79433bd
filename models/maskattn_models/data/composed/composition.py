"""Compose one picture: a view of a scene, objects on its ground, and exact truth.

Objects are placed from the nearest to the farthest, each behind those that are there, and only
where enough of it is seen. So nothing that is placed later can hide what was counted before.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from maskattn_models.data.composed.compositor import (
    Sprite,
    cast_shadow,
    light_of,
    make_sprite,
    match_light,
    overlap,
    paste,
)

FEWEST, MOST = 3, 8
"""How many objects are placed in a picture; those that would be hidden are left out."""

GRID = 128
MIN_CELLS = 24
"""Cells of a 128x128 grid that an object fills by half or more; a smaller one is left out."""

MIN_SEEN = 0.35
"""Share of an object that is seen, at least."""

_TRIES = 4
_HORIZON = 0.55  # feet stand below, by the height of the picture
_ENLARGED = 1.2  # beyond that a cut-out is a blur
_TURN = 8.0  # degrees, to either side


@dataclass(frozen=True, kw_only=True, eq=False)
class Cutout:
    """An object to choose: its class, and (h, w, 4) uint8 BGRA when it is asked for."""

    label: int
    load: Callable[[], NDArray[np.uint8]]


@dataclass(frozen=True, kw_only=True, eq=False)
class Composed:
    """A picture with its truth.

    Args:
        image: (H, W, 3) uint8 BGR.
        labels: (H, W) uint8 classes, 255 = void.
        instances: (H, W) uint8, 0 = none, 1..K from the nearest to the farthest.
        chosen: of instance k at k - 1, the index of its cut-out.
    """

    image: NDArray[np.uint8]
    labels: NDArray[np.uint8]
    instances: NDArray[np.uint8]
    chosen: tuple[int, ...]


@dataclass(frozen=True, kw_only=True, eq=False)
class _Placed:
    chosen: int
    sprite: Sprite
    left: int
    top: int


def compose(
    scene: NDArray[np.uint8],
    labels: NDArray[np.uint8],
    cutouts: Sequence[Cutout],
    rng: np.random.Generator,
) -> Composed:
    """Set 3 to 8 objects into a scene; classes are equally likely, then the objects of one.

    Args:
        scene: (H, W, 3) uint8 BGR.
        labels: of the scene, (H, W) uint8, 255 = void.
        cutouts: to choose from.
        rng: decides all that is left to chance.
    """
    placed, instances = _place(labels.shape, cutouts, rng)
    canvas = scene.astype(np.float32)
    around = light_of(canvas[canvas.shape[0] // 3 :])  # without most of the sky
    lean, strength = rng.uniform(-0.6, 0.6), rng.uniform(0.4, 0.7)
    for item in reversed(placed):
        cast_shadow(canvas, item.sprite, item.left, item.top, lean)
        shift = float(rng.normal(0, 4))
        paste(canvas, match_light(item.sprite, around, strength, shift), item.left, item.top)
    truth = labels.copy()
    for number, item in enumerate(placed, start=1):
        truth[instances == number] = cutouts[item.chosen].label
    return Composed(
        image=np.clip(canvas + 0.5, 0, 255).astype(np.uint8),
        labels=truth,
        instances=instances,
        chosen=tuple(item.chosen for item in placed),
    )


def _place(
    shape: tuple[int, ...], cutouts: Sequence[Cutout], rng: np.random.Generator
) -> tuple[list[_Placed], NDArray[np.uint8]]:
    """Objects from the nearest to the farthest, and the number of each pixel's."""
    by_label: dict[int, list[int]] = {}
    for index, cutout in enumerate(cutouts):
        by_label.setdefault(cutout.label, []).append(index)
    groups = [by_label[label] for label in sorted(by_label)]
    instances = np.zeros(shape, np.uint8)
    placed: list[_Placed] = []
    depths = np.sort(rng.random(int(rng.integers(FEWEST, MOST + 1))))[::-1]
    for depth in depths:
        group = groups[int(rng.integers(len(groups)))]
        chosen = group[int(rng.integers(len(group)))]
        sprite = _sprite_at(float(depth), cutouts[chosen].load(), shape[0], rng)
        spot = _free_spot(sprite.alpha >= 0.5, float(depth), instances, rng)
        if spot is not None:
            left, top, there, seen = spot
            placed.append(_Placed(chosen=chosen, sprite=sprite, left=left, top=top))
            instances[there][seen] = len(placed)
    return placed, instances


def _sprite_at(
    depth: float, cutout: NDArray[np.uint8], rows: int, rng: np.random.Generator
) -> Sprite:
    """Large in front (depth 1), small at the horizon (0)."""
    side = rows * (0.18 + 0.42 * depth) * rng.uniform(0.75, 1.3)
    return make_sprite(
        cutout,
        scale=min(side / max(cutout.shape[:2]), _ENLARGED),
        degrees=float(rng.uniform(-_TURN, _TURN)),
        mirrored=bool(rng.random() < 0.5),
    )


_Spot = tuple[int, int, tuple[slice, slice], NDArray[np.bool_]]


def _free_spot(
    mask: NDArray[np.bool_], depth: float, instances: NDArray[np.uint8], rng: np.random.Generator
) -> _Spot | None:
    """Left and top of an object where enough of it is seen; where in the picture, and its pixels.

    None where some tries found no such place.
    """
    rows, columns = instances.shape
    foot = rows * (_HORIZON + (1 - _HORIZON) * depth)
    for _ in range(_TRIES):
        left = round(rng.uniform(0.03, 0.97) * columns - mask.shape[1] / 2)
        top = round(foot + rng.uniform(-0.02, 0.04) * rows) - mask.shape[0]
        there, here = overlap(instances.shape, mask.shape, top, left)
        seen = mask[here] & (instances[there] == 0)
        if seen.sum() < max(1.0, MIN_SEEN * mask.sum()):
            continue
        if _cells(seen, there, instances.shape) >= MIN_CELLS:
            return left, top, there, seen
    return None


def _cells(seen: NDArray[np.bool_], there: tuple[slice, slice], shape: tuple[int, ...]) -> int:
    """Cells of the coarse grid that an object fills by half or more."""
    canvas = np.zeros(shape, np.float32)
    canvas[there] = seen
    coarse = cv2.resize(canvas, (GRID, GRID), interpolation=cv2.INTER_AREA)
    return int((coarse >= 0.5).sum())
