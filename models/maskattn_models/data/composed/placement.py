"""Choose the objects of a picture and where they stand, from the nearest to the farthest.

Each is placed behind those that are there, and only where enough of it is seen. So nothing that is
placed later can hide what was counted before.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import cv2
import numpy as np
from numpy.typing import NDArray

from maskattn_models.data.composed.compositor import Sprite, make_sprite, overlap
from maskattn_models.data.composed.touching import GRID, MIN_CELLS

FEWEST, MOST = 3, 8
"""How many objects are placed in a picture; those that would be hidden are left out."""

MIN_SEEN = 0.35
"""Share of an object that is seen, at least."""

_TRIES = 4
_TRIES_BESIDE = 16
_APART = 0.05, 1.0  # of those that touch, from middle to middle, by their mean width
_MIDDLE = 0.03, 0.97  # of an object, by the width of the picture
_HORIZON = 0.55  # feet stand below, by the height of the picture
_ENLARGED = 1.2  # beyond that a cut-out is a blur
_TURN = 8.0  # degrees, to either side


@dataclass(frozen=True, kw_only=True, eq=False)
class Cutout:
    """An object to choose: its class, and (h, w, 4) uint8 BGRA when it is asked for.

    `kind` is its class in the photographs, where several of them are one class here.
    """

    label: int
    load: Callable[[], NDArray[np.uint8]]
    kind: str = ""


@dataclass(frozen=True, kw_only=True, eq=False)
class Cast:
    """Who may appear.

    Args:
        cutouts: to choose from.
        sizes: by class, how many objects of it stand together, each size as often as it is to be
            drawn; they stand alone where there is none.
    """

    cutouts: Sequence[Cutout]
    sizes: Mapping[int, Sequence[int]] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True, eq=False)
class Placed:
    """An object in a picture: which cut-out, how it looks, its corner, and whom it stands with."""

    chosen: int
    sprite: Sprite
    left: int
    top: int
    cluster: int


def place(
    shape: tuple[int, ...], cast: Cast, rng: np.random.Generator
) -> tuple[list[Placed], NDArray[np.uint8]]:
    """Objects from the nearest to the farthest, and the number of each pixel's, (H, W) uint8.

    Args:
        shape: (H, W) of the picture.
        cast: who may appear.
        rng: decides all that is left to chance.
    """
    instances = np.zeros(shape, np.uint8)
    placed: list[Placed] = []
    company = _company(cast, rng)
    depths = np.sort(rng.random(len(company)))[::-1]
    for depth, (cluster, chosen) in zip(depths.tolist(), company, strict=True):
        sprite = _sprite_at(depth, cast.cutouts[chosen].load(), shape[0], rng)
        mask = sprite.alpha >= 0.5
        spot = _spot_beside(mask, depth, placed, cluster, instances, rng)
        spot = spot or _free_spot(mask, depth, instances, rng)
        if spot is not None:
            left, top, there, seen = spot
            item = Placed(chosen=chosen, sprite=sprite, left=left, top=top, cluster=cluster)
            placed.append(item)
            instances[there][seen] = len(placed)
    return placed, instances


def _company(cast: Cast, rng: np.random.Generator) -> list[tuple[int, int]]:
    """The cluster and the cut-out of 3 to 8 objects, in no order; classes are equally likely.

    The last cluster may go beyond the number that was drawn: cut short there, it would leave more
    objects alone than the photographs do.
    """
    by_label: dict[int, list[int]] = {}
    for index, cutout in enumerate(cast.cutouts):
        by_label.setdefault(cutout.label, []).append(index)
    labels = sorted(by_label)
    count = int(rng.integers(FEWEST, MOST + 1))
    company: list[tuple[int, int]] = []
    while len(company) < count:
        label = labels[int(rng.integers(len(labels)))]
        known = cast.sizes.get(label) or (1,)
        size = min(known[int(rng.integers(len(known)))], MOST - len(company))
        cluster = len(company)  # the number of its first member serves as its name
        company += [(cluster, one) for one in _alike(cast.cutouts, by_label[label], size, rng)]
    return [company[index] for index in rng.permutation(len(company))]


def _alike(
    cutouts: Sequence[Cutout], own: Sequence[int], size: int, rng: np.random.Generator
) -> list[int]:
    """Objects of one class that stand together: of the first one's kind as far as there are any.

    None is there twice before each is there once.
    """
    drawn = [own[index] for index in rng.permutation(len(own))]
    kind = cutouts[drawn[0]].kind
    drawn.sort(key=lambda one: cutouts[one].kind != kind)
    return [drawn[index % len(drawn)] for index in range(size)]


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
"""Left and top of an object; where in the picture it is, and which pixels of that are seen."""


def _free_spot(
    mask: NDArray[np.bool_], depth: float, instances: NDArray[np.uint8], rng: np.random.Generator
) -> _Spot | None:
    """Anywhere where enough of an object is seen; None where some tries found no such place."""
    for _ in range(_TRIES):
        left = round(rng.uniform(*_MIDDLE) * instances.shape[1] - mask.shape[1] / 2)
        if spot := _spot_at(mask, left, depth, instances, rng):
            return spot
    return None


def _spot_beside(
    mask: NDArray[np.bool_],
    depth: float,
    placed: Sequence[Placed],
    cluster: int,
    instances: NDArray[np.uint8],
    rng: np.random.Generator,
) -> _Spot | None:
    """Where an object touches one of its cluster; None where that has none, or no try found it."""
    mates = [number for number, item in enumerate(placed, start=1) if item.cluster == cluster]
    with_them = np.isin(instances, mates)
    low, high = (share * instances.shape[1] for share in _MIDDLE)
    for _ in range(_TRIES_BESIDE if mates else 0):
        mate = placed[mates[int(rng.integers(len(mates)))] - 1]
        width = mate.sprite.alpha.shape[1]
        apart = rng.uniform(*_APART) * (width + mask.shape[1]) / 2
        middle = mate.left + width / 2 + (apart if rng.random() < 0.5 else -apart)
        if not low <= middle <= high:
            continue
        spot = _spot_at(mask, round(middle - mask.shape[1] / 2), depth, instances, rng)
        if spot is not None and _touches(spot, with_them):
            return spot
    return None


def _spot_at(
    mask: NDArray[np.bool_],
    left: int,
    depth: float,
    instances: NDArray[np.uint8],
    rng: np.random.Generator,
) -> _Spot | None:
    """An object with its feet on the ground of its depth; None where too little of it is seen."""
    rows = instances.shape[0]
    foot = rows * (_HORIZON + (1 - _HORIZON) * depth)
    top = round(foot + rng.uniform(-0.02, 0.04) * rows) - mask.shape[0]
    there, here = overlap(instances.shape, mask.shape, top, left)
    seen = mask[here] & (instances[there] == 0)
    if seen.sum() < max(1.0, MIN_SEEN * mask.sum()):
        return None
    if _cells(seen, there, instances.shape) < MIN_CELLS:
        return None
    return left, top, there, seen


def _cells(seen: NDArray[np.bool_], there: tuple[slice, slice], shape: tuple[int, ...]) -> int:
    """Cells of the coarse grid that an object fills by half or more."""
    canvas = np.zeros(shape, np.float32)
    canvas[there] = seen
    coarse = cv2.resize(canvas, (GRID, GRID), interpolation=cv2.INTER_AREA)
    return int((coarse >= 0.5).sum())


def _touches(spot: _Spot, others: NDArray[np.bool_]) -> bool:
    """Whether what is seen of an object shares a side or a corner with a pixel of others."""
    _, _, there, seen = spot
    canvas = np.zeros(others.shape, np.uint8)
    canvas[there] = seen
    return bool((cv2.dilate(canvas, np.ones((3, 3), np.uint8))[others] > 0).any())
