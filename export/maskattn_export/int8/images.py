"""Calibration images, as quantizers want them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray
from onnxruntime.quantization import CalibrationDataReader


class ImageReader(CalibrationDataReader):  # type: ignore[misc]
    """Images (H, W, 3) uint8 RGB, one by one, as the input `image` of a graph."""

    def __init__(self, images: Sequence[NDArray[np.uint8]]) -> None:
        self._images = images
        self.rewind()

    def get_next(self) -> dict[str, NDArray[np.uint8]] | None:
        """The next image, or None after the last."""
        image = next(self._left, None)
        return None if image is None else {"image": image[None]}

    def get_first(self) -> dict[str, NDArray[np.uint8]]:
        """The first image, which stays next; ModelOpt looks at its shape."""
        return {"image": self._images[0][None]}

    def rewind(self) -> None:
        """Begin again."""
        self._left: Iterator[NDArray[np.uint8]] = iter(self._images)
