"""Tiles of colour and pattern. All classes draw from the same ones: colour tells no class."""

from __future__ import annotations

import colorsys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache

import cv2
import numpy as np
from numpy.typing import NDArray

TILE = 256
"""Edge of a tile, in pixels; tiles repeat without a seam."""

_LEVELS = 6

Plane = NDArray[np.float32]


@dataclass(frozen=True)
class Texture:
    """A tile at falling resolutions: level k is (TILE / 2**k, TILE / 2**k, 3) uint8 BGR."""

    levels: tuple[NDArray[np.uint8], ...]

    @classmethod
    def from_tile(cls, tile: NDArray[np.uint8]) -> Texture:
        """Build the levels below `tile`, (TILE, TILE, 3) uint8."""
        levels = [tile]
        for _ in range(_LEVELS - 1):
            half = levels[-1].shape[0] // 2
            smaller = cv2.resize(levels[-1], (half, half), interpolation=cv2.INTER_AREA)
            levels.append(np.asarray(smaller, np.uint8))
        return cls(tuple(levels))


def draw_color(rng: np.random.Generator) -> tuple[float, float, float]:
    """Any plausible surface colour, BGR 0..255: greys and browns often, strong hues at times."""
    saturation = rng.beta(1.2, 3.2) if rng.random() < 0.8 else rng.uniform(0.4, 0.95)
    red, green, blue = colorsys.hsv_to_rgb(rng.random(), saturation, rng.uniform(0.12, 0.95))
    return (blue * 255, green * 255, red * 255)


def draw_texture(rng: np.random.Generator) -> Texture:
    """A tile of a random pattern in random colours."""
    pattern = _PATTERNS[int(rng.integers(len(_PATTERNS)))]
    mix, detail = pattern(rng)
    first = np.array(draw_color(rng))
    if rng.random() < 0.6:  # two shades of one colour, as in most real materials
        second = np.clip(first * rng.uniform(0.45, 1.5) + rng.uniform(-18, 18, 3), 0, 255)
    else:
        second = np.array(draw_color(rng))
    gain = detail + np.float32(1)
    lit = mix * gain
    planes = [
        np.clip(gain * np.float32(a) + lit * np.float32(b - a), 0, 255).astype(np.uint8)
        for a, b in zip(first, second, strict=True)
    ]
    return Texture.from_tile(np.dstack(planes))


def draw_picture(rng: np.random.Generator) -> Texture:
    """A poster: a ground with blocks, discs and lines of writing."""
    tile = np.empty((TILE, TILE, 3), np.uint8)
    tile[:] = draw_color(rng)
    for _ in range(rng.integers(2, 7)):
        x, y = (int(v) for v in rng.integers(0, TILE, 2))
        size = int(rng.integers(15, 110))
        if rng.random() < 0.5:
            cv2.circle(tile, (x, y), size // 2, draw_color(rng), -1)
        else:
            high = int(size * rng.uniform(0.3, 2.0))
            cv2.rectangle(tile, (x, y), (x + size, y + high), draw_color(rng), -1)
    ink = draw_color(rng)
    top, left = (int(v) for v in rng.integers(10, 120, 2))
    for row in range(rng.integers(0, 8)):
        end = left + int(rng.integers(30, 120))
        cv2.line(tile, (left, top + 14 * row), (end, top + 14 * row), ink, 5)
    return Texture.from_tile(tile)


def smooth_noise(rng: np.random.Generator, cells: int, cells_x: int | None = None) -> Plane:
    """Noise of `cells` bumps an edge that repeats without a seam, (TILE, TILE) in [-1, 1]."""
    across = cells_x or cells
    grid = rng.uniform(-1, 1, (cells, across)).astype(np.float32)
    padded = np.pad(grid, 2, "wrap")
    step_y, step_x = TILE // cells, TILE // across
    size = ((across + 4) * step_x, (cells + 4) * step_y)
    large = cv2.resize(padded, size, interpolation=cv2.INTER_LINEAR)
    return np.asarray(
        large[2 * step_y : 2 * step_y + TILE, 2 * step_x : 2 * step_x + TILE], np.float32
    )


def _grain(rng: np.random.Generator, strength: float) -> Plane:
    y, x = (int(shift) for shift in rng.integers(0, TILE, 2))
    grain = _grain_bank()[y : y + TILE, x : x + TILE] * np.float32(strength)
    return np.asarray(grain, np.float32)


@lru_cache(maxsize=1)
def _grain_bank() -> Plane:
    """Noise to cut grain from: fresh noise for each tile would be most of a scene's cost."""
    noise = np.random.default_rng(0).standard_normal((TILE, TILE), dtype=np.float32)
    return np.tile(noise, (2, 2))


def _grid() -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    axis = np.arange(TILE)
    return axis[:, None], axis[None, :]


def _plain(rng: np.random.Generator) -> tuple[Plane, Plane]:
    mix = 0.15 + 0.15 * smooth_noise(rng, 4)
    return mix, _grain(rng, rng.uniform(0.005, 0.03))


def _concrete(rng: np.random.Generator) -> tuple[Plane, Plane]:
    mix = 0.5 + 0.3 * smooth_noise(rng, 4) + 0.2 * smooth_noise(rng, 16)
    mix = mix + 0.1 * smooth_noise(rng, 64)
    return np.clip(mix, 0, 1), _grain(rng, rng.uniform(0.02, 0.07))


def _carpet(rng: np.random.Generator) -> tuple[Plane, Plane]:
    mix = 0.5 + rng.uniform(0.2, 0.5) * smooth_noise(rng, 128)
    return np.clip(mix, 0, 1), _grain(rng, rng.uniform(0.06, 0.16))


def _marble(rng: np.random.Generator) -> tuple[Plane, Plane]:
    folds = smooth_noise(rng, 4) * 2.5 + smooth_noise(rng, 16) * 0.8
    return np.asarray(0.5 + 0.5 * np.sin(3 * folds), np.float32), _grain(rng, 0.015)


def _planks(rng: np.random.Generator) -> tuple[Plane, Plane]:
    y, x = _grid()
    rows = int(rng.choice([4, 8, 16]))
    high = TILE // rows
    row = np.broadcast_to(y // high, (TILE, TILE))
    offset = rng.integers(0, TILE, rows)
    length = TILE // int(rng.choice([1, 2]))
    along = (x + offset[row]) % TILE
    tone = rng.uniform(0, 1, (rows, TILE // length)).astype(np.float32)[row, along // length]
    mix = 0.55 * tone + 0.25 + 0.2 * smooth_noise(rng, 64, 4)
    seam = (y % high < 2) | (along % length < 2)
    return mix, np.where(seam, np.float32(-0.45), _grain(rng, 0.03))


def _tiles(rng: np.random.Generator) -> tuple[Plane, Plane]:
    y, x = _grid()
    count = int(rng.choice([1, 2, 4, 8]))
    edge = TILE // count
    grout = int(rng.integers(2, max(3, edge // 10) + 1))
    joint = (y % edge < grout) | (x % edge < grout)
    tone = rng.uniform(0, 0.3, (count, count)).astype(np.float32)[y // edge, x // edge]
    mix = np.where(joint, np.float32(1.0), tone + 0.08 * smooth_noise(rng, 16))
    return mix.astype(np.float32), _grain(rng, 0.015)


def _bricks(rng: np.random.Generator) -> tuple[Plane, Plane]:
    y, x = _grid()
    rows = int(rng.choice([4, 8]))
    high = TILE // rows
    wide = high * 2
    row = y // high
    along = (x + (row % 2) * high) % TILE
    joint = (y % high < 4) | (along % wide < 4)
    tone = rng.uniform(0, 0.5, (rows, TILE // wide)).astype(np.float32)[row, along // wide]
    return np.where(joint, np.float32(1.0), tone), _grain(rng, 0.05)


def _checker(rng: np.random.Generator) -> tuple[Plane, Plane]:
    y, x = _grid()
    edge = TILE // int(rng.choice([2, 4, 8]))
    return ((y // edge + x // edge) % 2).astype(np.float32), _grain(rng, 0.02)


def _stripes(rng: np.random.Generator) -> tuple[Plane, Plane]:
    y, x = _grid()
    wave = TILE // int(rng.choice([2, 4, 8, 16]))
    along = (y + 0 * x, x + 0 * y, x + y)[rng.integers(3)]
    return (along % wave < wave * rng.uniform(0.2, 0.7)).astype(np.float32), _grain(rng, 0.02)


def _dots(rng: np.random.Generator) -> tuple[Plane, Plane]:
    y, x = _grid()
    edge = TILE // int(rng.choice([4, 8, 16]))
    from_center = np.hypot(y % edge - edge / 2, x % edge - edge / 2)
    return (from_center < edge * rng.uniform(0.2, 0.4)).astype(np.float32), _grain(rng, 0.02)


_PATTERNS: Sequence[Callable[[np.random.Generator], tuple[Plane, Plane]]] = (
    _plain,
    _plain,
    _plain,
    _concrete,
    _concrete,
    _carpet,
    _marble,
    _planks,
    _planks,
    _tiles,
    _tiles,
    _bricks,
    _checker,
    _stripes,
    _dots,
)
