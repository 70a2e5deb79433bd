"""`masks.png`: beside each image, what is left of it where attention keeps its keys."""

from __future__ import annotations

from collections.abc import Mapping

import cv2
import numpy as np
from numpy.typing import NDArray

from maskattn_edge.preprocess import nearest, scale_image

_TILE, _MARGIN, _HEADING, _CAPTION = 240, 12, 30, 22
_INK = (40, 40, 40)
_DARK = 0.22
"""Brightness of a cell whose key is masked out."""


def mask_sheet(
    images: NDArray[np.uint8], kept: Mapping[str, NDArray[np.bool_]]
) -> NDArray[np.uint8]:
    """Two samples a row, each with a tile per block in which masked-out cells are dark.

    The share of keys that is kept stands below each tile, and that of all samples in its heading.

    Args:
        images: (N, H, W, 3) uint8 RGB.
        kept: (N, h, w) by the block's name.

    Returns:
        (H, W, 3) uint8 BGR.
    """
    samples = [
        _sample(image, [mask[index] for mask in kept.values()])
        for index, image in enumerate(images)
    ]
    titles = ["image", *(_title(name, mask) for name, mask in kept.items())]
    headings = _line(titles, _HEADING, base=_HEADING - 10)
    if len(samples) == 1:
        return np.concatenate([headings, samples[0]])
    if len(samples) % 2:
        samples.append(np.full_like(samples[0], 255))
    rows = [np.hstack(pair) for pair in zip(samples[::2], samples[1::2], strict=True)]
    return np.concatenate([np.hstack([headings, headings]), *rows])


def _title(name: str, mask: NDArray[np.bool_]) -> str:
    return f"{name}, {mask.shape[1]}x{mask.shape[2]}: {_percent(mask)}"


def _percent(mask: NDArray[np.bool_]) -> str:
    return f"{100 * mask.mean():.1f} % kept"


def _sample(image_rgb: NDArray[np.uint8], masks: list[NDArray[np.bool_]]) -> NDArray[np.uint8]:
    scale = _TILE / max(image_rgb.shape[:2])
    height, width = (max(1, round(side * scale)) for side in image_rgb.shape[:2])
    tile = np.ascontiguousarray(scale_image(image_rgb, height, width)[..., ::-1])
    row = np.full((height, _left(1 + len(masks)), 3), 255, np.uint8)
    for column, mask in enumerate([None, *masks]):
        left = _left(column) + (_TILE - width) // 2
        row[:, left : left + width] = tile if mask is None else _darkened(tile, mask)
    captions = _line(["", *map(_percent, masks)], _CAPTION, base=_CAPTION - 8)
    return np.concatenate([row, captions])


def _darkened(tile: NDArray[np.uint8], mask: NDArray[np.bool_]) -> NDArray[np.uint8]:
    kept = nearest(mask.astype(np.uint8), *tile.shape[:2]).astype(bool)
    return np.where(kept[..., None], tile, (tile * _DARK).astype(np.uint8))


def _left(column: int) -> int:
    return _MARGIN + column * (_TILE + _MARGIN)


def _line(texts: list[str], height: int, *, base: int) -> NDArray[np.uint8]:
    """A strip of texts, one per column."""
    strip = np.full((height, _left(len(texts)), 3), 255, np.uint8)
    for column, text in enumerate(texts):
        place = (_left(column), base)
        cv2.putText(strip, text, place, cv2.FONT_HERSHEY_SIMPLEX, 0.45, _INK, 1, cv2.LINE_AA)
    return strip
