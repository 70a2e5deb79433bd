"""A batch under way: images, and what is known of their pixels."""

from __future__ import annotations

from typing import NamedTuple

from torch import Tensor


class Batch(NamedTuple):
    """Tensors that stay together.

    Args:
        images: (B, h, w, 3) RGB, uint8 as stored, float32 in 0..255 once augmented.
        labels: (B, h, w) uint8, 255 = ignored.
        instances: (B, h, w), 0 = no object, else its number in the image: uint8 as stored, int16
            once augmented; None where no objects are learned.
    """

    images: Tensor
    labels: Tensor
    instances: Tensor | None = None
