"""Set a cut-out into a picture: size and turn, a soft edge, the scene's light, a shadow.

Cut-and-paste follows Dwibedi et al., Cut, Paste and Learn, ICCV 2017 (arxiv.org/abs/1708.01642):
soft edges keep a network from learning the seam instead of the object.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from maskattn_edge.preprocess import scale_image

Picture = NDArray[np.float32]

_EDGE = 1.1  # standard deviation of the blur that softens an edge, in pixels
_SHADE = 0.55  # how much light a shadow takes where it is darkest
_FLAT = 0.24  # height of a shadow by that of its object


@dataclass(frozen=True, kw_only=True, eq=False)
class Sprite:
    """A cut-out as it is pasted: (h, w, 3) float32 BGR, 0 to 255, and alpha (h, w) in 0 to 1."""

    bgr: Picture
    alpha: Picture


def make_sprite(
    cutout: NDArray[np.uint8], *, scale: float, degrees: float, mirrored: bool
) -> Sprite:
    """Mirror, scale and turn a cut-out; its edge is drawn in by about a pixel and softened.

    A mask's outermost pixels often hold what was behind the object; drawing in leaves them out.

    Args:
        cutout: (h, w, 4) uint8 BGRA.
        scale: of its sides.
        degrees: by which it is turned, counter-clockwise.
        mirrored: left for right.

    Returns:
        The sprite without empty rows and columns; it has none at all where nothing is left of it.
    """
    if mirrored:
        cutout = np.ascontiguousarray(cutout[:, ::-1])
    height, width = (max(1, round(side * scale)) for side in cutout.shape[:2])
    turned = _turned(scale_image(cutout, height, width), degrees)
    share = cv2.GaussianBlur(turned[..., 3].astype(np.float32) / 255, (0, 0), _EDGE)
    alpha = np.clip(2 * share - 1, 0, 1).astype(np.float32)
    left, top, wide, high = cv2.boundingRect((alpha > 0).astype(np.uint8))
    box = np.s_[top : top + high, left : left + wide]
    return Sprite(bgr=turned[..., :3][box].astype(np.float32), alpha=alpha[box])


def _turned(picture: NDArray[np.uint8], degrees: float) -> NDArray[np.uint8]:
    height, width = picture.shape[:2]
    turn = cv2.getRotationMatrix2D((width / 2, height / 2), degrees, 1.0)
    across, down = abs(turn[0, 0]), abs(turn[0, 1])
    size = int(width * across + height * down) + 5, int(width * down + height * across) + 5
    turn[:, 2] += (size[0] - width) / 2, (size[1] - height) / 2
    colors = cv2.warpAffine(picture[..., :3], turn, size, borderMode=cv2.BORDER_REPLICATE)
    alpha = cv2.warpAffine(np.ascontiguousarray(picture[..., 3]), turn, size)
    return np.dstack([colors, alpha]).astype(np.uint8)


@dataclass(frozen=True, kw_only=True, eq=False)
class Light:
    """Mean and standard deviation, (3,) each, of the pixels of a place in CIELAB."""

    mean: Picture
    deviation: Picture

    @property
    def colorfulness(self) -> float:
        """How far from grey, in units of a and b."""
        return float(np.hypot(self.mean[1], self.mean[2]) + self.deviation[1:].mean())


def light_of(bgr: Picture) -> Light:
    """The light of a place, (h, w, 3) float32 BGR, 0 to 255."""
    return _light(_lab(bgr).reshape(-1, 3))


def match_light(sprite: Sprite, around: Light, strength: float, shift: float) -> Sprite:
    """Draw the brightness, contrast and saturation of an object towards those of its scene.

    Args:
        sprite: the object; it has pixels.
        around: the scene's light.
        strength: 0 changes no brightness, 1 gives the scene's mean.
        shift: added to the brightness, which is 0 to 100.
    """
    lab = _lab(sprite.bgr)
    own = _light(lab[sprite.alpha >= 0.5])
    gain = np.clip(around.deviation[0] / max(own.deviation[0], 1.0), 0.75, 1.15)
    nearer = own.mean[0] + strength * (around.mean[0] - own.mean[0]) + shift
    lab[..., 0] = np.clip(nearer + gain * (lab[..., 0] - own.mean[0]), 0, 100)
    lab[..., 1:] *= np.clip(around.colorfulness / max(own.colorfulness, 1.0), 0.6, 1.0)
    lab[..., 1:] += 0.5 * strength * around.mean[1:]
    bgr = cv2.cvtColor(lab, cv2.COLOR_Lab2BGR)
    return Sprite(bgr=np.clip(bgr * 255, 0, 255).astype(np.float32), alpha=sprite.alpha)


def _lab(bgr: Picture) -> Picture:
    return np.asarray(cv2.cvtColor(bgr / 255, cv2.COLOR_BGR2Lab), dtype=np.float32)


def _light(lab: Picture) -> Light:
    mean, deviation = cv2.meanStdDev(lab.reshape(-1, 1, 3))  # several times as fast as NumPy
    return Light(
        mean=mean.astype(np.float32).ravel(), deviation=deviation.astype(np.float32).ravel()
    )


def cast_shadow(canvas: Picture, sprite: Sprite, left: int, top: int, lean: float) -> None:
    """Darken the ground below an object, in place: its outline, flattened and blurred.

    Args:
        canvas: (H, W, 3) float32 BGR.
        sprite: the object.
        left: column of its left edge in the canvas; may be outside.
        top: row of its upper edge.
        lean: how far the shadow falls to the right, by the object's height.
    """
    height, width = sprite.alpha.shape
    flat = max(2, round(height * _FLAT))
    blur = 1.0 + 0.03 * max(height, width)
    border = int(3 * blur) + 1
    aside = lean * height
    # The foot stays where it is, the head falls back and aside.
    fall = np.array(
        [[1.0, -aside / height, border + max(aside, 0.0)], [0.0, flat / height, border]]
    )
    size = width + int(abs(aside)) + 2 * border + 1, flat + 2 * border
    shadow = cv2.GaussianBlur(cv2.warpAffine(sprite.alpha, fall, size), (0, 0), blur)
    x = left - round(border + max(-aside, 0.0))
    y = top + height - flat - border + max(1, flat // 6)
    there, here = overlap(canvas.shape[:2], shadow.shape, y, x)
    canvas[there] *= 1 - _SHADE * shadow[here][..., None]


def paste(canvas: Picture, sprite: Sprite, left: int, top: int) -> None:
    """Blend an object over the canvas, in place; what lies outside is cut off."""
    there, here = overlap(canvas.shape[:2], sprite.alpha.shape, top, left)
    alpha = sprite.alpha[here][..., None]
    canvas[there] += alpha * (sprite.bgr[here] - canvas[there])


def overlap(
    frame: tuple[int, ...], patch: tuple[int, ...], top: int, left: int
) -> tuple[tuple[slice, slice], tuple[slice, slice]]:
    """Where a patch at (top, left) meets a frame: slices of the frame and of the patch."""
    y0, y1 = (min(max(side, 0), frame[0]) for side in (top, top + patch[0]))
    x0, x1 = (min(max(side, 0), frame[1]) for side in (left, left + patch[1]))
    there = slice(y0, y1), slice(x0, x1)
    return there, (slice(y0 - top, y1 - top), slice(x0 - left, x1 - left))
