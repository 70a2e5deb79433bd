"""One generated picture with its exact labels."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class SyntheticFrame:
    """A picture and what is in it.

    Attributes:
        image_bgr: (H, W, 3) uint8, as a camera delivers it: blurred, noisy, compressed.
        labels: (H, W) uint8, index into `CLASSES`; every pixel has a class.
        instances: (H, W) uint8, 0 where nothing is counted, 1..K for the things.
    """

    image_bgr: NDArray[np.uint8]
    labels: NDArray[np.uint8]
    instances: NDArray[np.uint8]
