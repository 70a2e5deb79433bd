"""What lens, sensor and compression do to a clean picture."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache

import cv2
import numpy as np
from numpy.typing import NDArray

_SHIFTS = 128


@dataclass(frozen=True, kw_only=True)
class Sensor:
    """One camera in one scene; lengths are in pixels of a picture 320 wide.

    Attributes:
        defocus: standard deviation of the lens's blur.
        smear: length and direction of motion blur, pixels and radians.
        exposure: factor on brightness.
        balance: (3,) BGR factors.
        gamma: exponent of the tone curve.
        vignette: share of light lost in the corners.
        noise: standard deviation of noise in mid grey, of 255.
        quality: of JPEG, 1..100.
    """

    defocus: float
    smear: tuple[float, float]
    exposure: float
    balance: NDArray[np.float64]
    gamma: float
    vignette: float
    noise: float
    quality: int

    def capture(
        self, scene: NDArray[np.uint8], rng: np.random.Generator, *, drift: float = 0.0
    ) -> NDArray[np.uint8]:
        """A clean (H, W, 3) uint8 BGR picture as the camera delivers it.

        Args:
            scene: the clean picture.
            rng: makes the noise of this one picture.
            drift: share by which automatic exposure is off.
        """
        height, width = scene.shape[:2]
        scale = width / 320
        image = self._blur(scene, scale)
        image = cv2.multiply(
            image, _vignette(height, width, round(self.vignette, 2)), scale=1 / 255
        )
        image = cv2.LUT(image, self._curve(1 + drift))
        image = self._add_noise(np.asarray(image, np.uint8), rng)
        ok, coded = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, self.quality])
        assert ok
        return np.asarray(cv2.imdecode(coded, cv2.IMREAD_COLOR), np.uint8)

    def _blur(self, image: NDArray[np.uint8], scale: float) -> cv2.typing.MatLike:
        length, direction = self.smear
        length *= scale
        if length >= 1.5:
            size = 2 * math.ceil(length / 2) + 1
            kernel = np.zeros((size, size), np.float32)
            reach = length / 2 * np.array([math.cos(direction), math.sin(direction)])
            middle = size // 2
            start, end = np.rint(middle - reach), np.rint(middle + reach)
            cv2.line(kernel, (int(start[0]), int(start[1])), (int(end[0]), int(end[1])), (1.0,))
            image = np.asarray(cv2.filter2D(image, -1, kernel / kernel.sum()), np.uint8)
        return cv2.GaussianBlur(image, (0, 0), max(0.5, self.defocus * scale))

    def _curve(self, gain: float) -> NDArray[np.uint8]:
        level = np.arange(256)[:, None] / 255 * self.exposure * gain * self.balance
        curve = 255 * np.clip(level, 0, 1) ** self.gamma
        return np.asarray(curve, np.uint8)[None]

    def _add_noise(self, image: NDArray[np.uint8], rng: np.random.Generator) -> NDArray[np.uint8]:
        height, width = image.shape[:2]
        y, x = (int(shift) for shift in rng.integers(0, _SHIFTS, 2))
        noise = _noise_bank(height, width)[y : y + height, x : x + width]
        level = np.arange(256, dtype=np.float32) / 255
        amount = np.sqrt(level + np.float32(0.15)) * np.float32(self.noise)
        spread = cv2.multiply(cv2.LUT(image, amount[None]), noise)
        return np.asarray(cv2.add(image, spread, dtype=cv2.CV_8U), np.uint8)


@lru_cache(maxsize=4)
def _noise_bank(height: int, width: int) -> NDArray[np.float32]:
    """Noise to cut each picture's from: grey and colour, unit variance, seldom cut twice alike."""
    rng = np.random.default_rng(1)
    size = (height + _SHIFTS, width + _SHIFTS)
    grey = rng.standard_normal((*size, 1), dtype=np.float32)
    color = rng.standard_normal((*size, 3), dtype=np.float32)
    return np.asarray(0.8 * grey + 0.6 * color, np.float32)


@lru_cache(maxsize=32)
def _vignette(height: int, width: int, loss: float) -> NDArray[np.uint8]:
    y = np.linspace(-1, 1, height)[:, None]
    x = np.linspace(-1, 1, width)[None, :]
    kept = (255 * (1 - loss * ((x**2 + y**2) / 2) ** 1.5)).astype(np.uint8)
    return np.dstack([kept, kept, kept])


def draw_sensor(rng: np.random.Generator) -> Sensor:
    """A random camera: most are decent, some are dark, noisy, blurred or badly balanced."""
    moving = rng.random() < 0.4
    return Sensor(
        defocus=float(rng.uniform(0.4, 0.75) if rng.random() < 0.85 else rng.uniform(0.75, 1.3)),
        smear=(
            float(rng.uniform(1.5, 4.0)) if moving else 0.0,
            float(rng.normal(0, 0.4)),
        ),
        exposure=float(np.exp(rng.normal(0.2, 0.22))),
        balance=np.exp(rng.normal(0, 0.07, 3)),
        gamma=float(rng.uniform(0.68, 1.05)),
        vignette=float(rng.uniform(0, 0.5)),
        noise=float(rng.uniform(1.5, 6.0) if rng.random() < 0.75 else rng.uniform(6, 12)),
        quality=int(rng.integers(35, 96)),
    )
