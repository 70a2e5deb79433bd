"""Fills projected shapes with texture, nearest last; the same outlines make picture and labels."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from maskattn_edge.synthetic.camera import NEAR_M, Camera
from maskattn_edge.synthetic.textures import TILE, Texture

UNIT = 128
"""Value of a light map that leaves the texture as it is."""

_SHIFT = 4  # outlines are drawn to 1/16 pixel
_FAR_PX = 4000.0  # beyond this, an outline is cut to the view before it is drawn

Point = tuple[float, float, float]


@dataclass(frozen=True, kw_only=True)
class Face:
    """A flat, textured outline in the world.

    Attributes:
        outline: (N, 2) metres along `along` and `down` from `origin`, convex.
        origin: (3,) world point.
        along: (3,) unit vector of the texture's x.
        down: (3,) unit vector of the texture's y.
        texels_per_m: resolution of the texture's finest level.
        shift: where in the tile the origin lies, in metres.
        light: (h, w, 3) uint8 light map stretched over `extent`, `UNIT` = unchanged.
        extent: metres that `light` spans along both axes, from the origin.
    """

    outline: NDArray[np.float64]
    origin: NDArray[np.float64]
    along: NDArray[np.float64]
    down: NDArray[np.float64]
    texture: Texture
    texels_per_m: float
    shift: tuple[float, float] = (0.0, 0.0)
    light: NDArray[np.uint8] | None = None
    extent: tuple[float, float] = (1.0, 1.0)


class Canvas:
    """A picture under construction, and the number of the thing seen at each pixel."""

    def __init__(self, camera: Camera) -> None:
        self.camera = camera
        self.image = np.zeros((camera.height, camera.width, 3), np.uint8)
        self.things = np.zeros((camera.height, camera.width), np.uint8)

    def face(
        self,
        face: Face,
        thing: int,
        *,
        gain: float = 1.0,
        light: NDArray[np.uint8] | None = None,
    ) -> None:
        """Draw a face; `gain` scales its brightness, `light` replaces its light map."""
        camera = self.camera
        axes = np.stack([face.along, face.down])
        corners = camera.to_camera(face.origin + face.outline @ axes)
        if float(corners[:, 2].max()) <= NEAR_M:
            return
        polygon: list[Point] = [(x, y, z) for x, y, z in corners.tolist()]
        polygon = _cut(polygon, (0.0, 0.0, 1.0), -NEAR_M)
        if len(polygon) < 3 or self._outside(polygon):
            return
        basis = camera.rotation @ np.stack(
            [face.along, face.down, face.origin - camera.position], axis=1
        )
        shown = face.light if light is None else light
        nearest = min(point[2] for point in polygon)
        farthest = max(point[2] for point in polygon)
        bands = max(1, math.ceil(math.log(farthest / nearest) / math.log(1.9) - 0.2))
        ratio = (farthest / nearest) ** (1 / bands)
        for band in range(bands):
            start, end = nearest * ratio**band, nearest * ratio ** (band + 1)
            piece = polygon
            if band > 0:
                piece = _cut(piece, (0.0, 0.0, 1.0), -start)
            if band < bands - 1:
                piece = _cut(piece, (0.0, 0.0, -1.0), end)
            if len(piece) >= 3:
                self._fill(piece, face, basis, thing, math.sqrt(start * end), gain, shown)

    def blob(
        self,
        outline: NDArray[np.float64],
        texture: NDArray[np.uint8],
        frame: NDArray[np.float64],
        thing: int,
        *,
        opacity: float = 1.0,
    ) -> None:
        """Draw a screen outline filled with a small picture.

        Args:
            outline: (N, 2) pixels, convex.
            texture: (h, w, 3) uint8.
            frame: (3, 2) pixels where the picture's top left, top right and bottom left go.
            thing: number to write.
            opacity: 1 hides what is behind.
        """
        box = self._box(outline)
        if box is None:
            return
        left, top, right, bottom = box
        high, wide = texture.shape[:2]
        source = np.array([[0, 0], [wide - 1, 0], [0, high - 1]], np.float32)
        place = cv2.getAffineTransform(source, (frame - (left, top)).astype(np.float32))
        size = (right - left, bottom - top)
        painted = cv2.warpAffine(texture, place, size, borderMode=cv2.BORDER_REPLICATE)
        self._paste(painted, outline, box, thing, opacity)

    def strip(self, outlines: Sequence[NDArray[np.float64]], color: Sequence[float]) -> None:
        """Fill many small convex outlines, each (N, 2) pixels, with one colour; no label."""
        for outline in outlines:
            cv2.fillConvexPoly(self.image, _fixed(outline), color, shift=_SHIFT)

    def mark(self, outlines: Sequence[NDArray[np.float64]], thing: int) -> None:
        """Write `thing` where `strip` painted the same outlines."""
        for outline in outlines:
            cv2.fillConvexPoly(self.things, _fixed(outline), (thing,), shift=_SHIFT)

    def darken(self, outlines: Sequence[NDArray[np.float64]], gain: float) -> None:
        """Scale the brightness under the union of convex outlines, each (N, 2) pixels."""
        if not outlines:
            return
        box = self._box(np.concatenate(outlines))
        if box is None:
            return
        left, top, right, bottom = box
        mask = np.zeros((bottom - top, right - left), np.uint8)
        for outline in outlines:
            cv2.fillConvexPoly(mask, _fixed(outline - (left, top)), (255,), shift=_SHIFT)
        below = self.image[top:bottom, left:right]
        cv2.copyTo(cv2.convertScaleAbs(below, alpha=gain), mask, below)

    def _fill(
        self,
        polygon: list[Point],
        face: Face,
        basis: NDArray[np.float64],
        thing: int,
        depth: float,
        gain: float,
        light: NDArray[np.uint8] | None,
    ) -> None:
        camera = self.camera
        outline = camera.to_pixels(np.array(polygon))
        if np.abs(outline).max() > _FAR_PX:
            polygon = self._to_view(polygon)
            if len(polygon) < 3:
                return
            outline = camera.to_pixels(np.array(polygon))
        box = self._box(outline)
        if box is None:
            return
        left, top, right, bottom = box
        size = (right - left, bottom - top)
        to_box = camera.intrinsics.copy()
        to_box[0, 2] -= left
        to_box[1, 2] -= top
        to_box = to_box @ basis  # metres on the face -> pixels of the box

        slant = abs(float(np.linalg.det(basis))) / max(depth, 1e-6)
        blur = face.texels_per_m * depth / camera.focal_px * max(slant, 0.02) ** -0.55
        level = min(len(face.texture.levels) - 1, max(0, round(math.log2(blur) + 0.1)))
        tile = face.texture.levels[level]
        scale = face.texels_per_m / 2**level
        span = self._span(polygon, basis)
        origin_x = math.floor((span[0] + face.shift[0]) * scale) - 1
        origin_y = math.floor((span[1] + face.shift[1]) * scale) - 1
        count_x = math.ceil((span[2] - span[0]) * scale) + 4
        count_y = math.ceil((span[3] - span[1]) * scale) + 4
        edge = TILE >> level
        patch = tile.take(np.arange(origin_y, origin_y + count_y) % edge, axis=0)
        patch = patch.take(np.arange(origin_x, origin_x + count_x) % edge, axis=1)
        to_metres = np.array(
            [
                [1 / scale, 0.0, (origin_x + 0.5) / scale - face.shift[0]],
                [0.0, 1 / scale, (origin_y + 0.5) / scale - face.shift[1]],
                [0.0, 0.0, 1.0],
            ]
        )
        painted = cv2.warpPerspective(
            patch, to_box @ to_metres, size, borderMode=cv2.BORDER_REPLICATE
        )
        if light is not None:
            high, wide = light.shape[:2]
            step_x, step_y = face.extent[0] / wide, face.extent[1] / high
            spread = np.array(
                [[step_x, 0.0, 0.5 * step_x], [0.0, step_y, 0.5 * step_y], [0.0, 0.0, 1.0]]
            )
            lit = cv2.warpPerspective(light, to_box @ spread, size, borderMode=cv2.BORDER_REPLICATE)
            painted = cv2.multiply(painted, lit, scale=gain / UNIT)
        elif abs(gain - 1) > 0.01:
            painted = cv2.convertScaleAbs(painted, alpha=gain)
        self._paste(painted, outline, box, thing, 1.0)

    def _paste(
        self,
        painted: cv2.typing.MatLike,
        outline: NDArray[np.float64],
        box: tuple[int, int, int, int],
        thing: int,
        opacity: float,
    ) -> None:
        left, top, right, bottom = box
        fixed = _fixed(outline - (left, top))
        mask = np.zeros((bottom - top, right - left), np.uint8)
        cv2.fillConvexPoly(mask, fixed, (255,), shift=_SHIFT)
        below = self.image[top:bottom, left:right]
        if opacity < 1:
            painted = cv2.addWeighted(painted, opacity, below, 1 - opacity, 0)
        cv2.copyTo(painted, mask, below)
        cv2.fillConvexPoly(self.things[top:bottom, left:right], fixed, (thing,), shift=_SHIFT)

    def _box(self, outline: NDArray[np.float64]) -> tuple[int, int, int, int] | None:
        """Pixels left, top, right, bottom (exclusive) around an outline, or None if unseen."""
        left, top = outline.min(axis=0).tolist()
        right, bottom = outline.max(axis=0).tolist()
        box = (
            max(0, math.floor(left) - 1),
            max(0, math.floor(top) - 1),
            min(self.camera.width, math.ceil(right) + 2),
            min(self.camera.height, math.ceil(bottom) + 2),
        )
        return box if box[0] < box[2] and box[1] < box[3] else None

    def _span(
        self, polygon: list[Point], basis: NDArray[np.float64]
    ) -> tuple[float, float, float, float]:
        """Metres on the face that the seen part of a polygon covers: x, y, x, y."""
        seen = self._to_view(polygon) or polygon
        offset = np.array(seen) - basis[:, 2]
        along, down = offset @ basis[:, 0], offset @ basis[:, 1]
        return (float(along.min()), float(down.min()), float(along.max()), float(down.max()))

    def _sides(self) -> tuple[Point, ...]:
        """Normals of the view's four sides, a little outside the picture."""
        camera = self.camera
        slope_x = (camera.center_x + 4) / camera.focal_px
        slope_y = (camera.center_y + 4) / camera.focal_px
        return (
            (1.0, 0.0, slope_x),
            (-1.0, 0.0, slope_x),
            (0.0, 1.0, slope_y),
            (0.0, -1.0, slope_y),
        )

    def _outside(self, polygon: list[Point]) -> bool:
        return any(
            all(p[0] * side[0] + p[1] * side[1] + p[2] * side[2] < 0 for p in polygon)
            for side in self._sides()
        )

    def _to_view(self, polygon: list[Point]) -> list[Point]:
        for side in self._sides():
            polygon = _cut(polygon, side, 0.0)
        return polygon


def _fixed(outline: NDArray[np.float64]) -> NDArray[np.int32]:
    return np.rint(outline * (1 << _SHIFT)).astype(np.int32)


def _cut(polygon: list[Point], normal: Point, offset: float) -> list[Point]:
    """The part of a convex polygon where `normal . point + offset >= 0`."""
    heights = [p[0] * normal[0] + p[1] * normal[1] + p[2] * normal[2] + offset for p in polygon]
    if all(height >= 0 for height in heights):
        return polygon
    kept: list[Point] = []
    for index, point in enumerate(polygon):
        before = polygon[index - 1]
        here, there = heights[index], heights[index - 1]
        if (here >= 0) != (there >= 0):
            share = there / (there - here)
            kept.append(
                (
                    before[0] + share * (point[0] - before[0]),
                    before[1] + share * (point[1] - before[1]),
                    before[2] + share * (point[2] - before[2]),
                )
            )
        if here >= 0:
            kept.append(point)
    return kept
