"""Processor time of shrinking a frame by area: OpenCV's INTER_AREA, and matrix products.

Run as `python -m maskattn_benchmarks.scaling [WIDTHxHEIGHT...]`: to 128x128, one thread, the least
of many calls of both in turns, which tells most on a machine that others use too.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable

import cv2
import numpy as np

from maskattn_edge.area import shrink_by_area

_GRID = 128
_ROUNDS = 100


def least_ms(*work: Callable[[], object], rounds: int = _ROUNDS) -> list[float]:
    """Milliseconds of this thread's processor time for each, taken in turns."""
    least = [float("inf")] * len(work)
    for _ in range(rounds):
        for index, one in enumerate(work):
            before = time.thread_time()
            one()
            least[index] = min(least[index], (time.thread_time() - before) * 1e3)
    return least


def main(arguments: list[str]) -> int:
    """Print a line for each size."""
    cv2.setNumThreads(1)
    for size in arguments or ["640x480", "640x360", "1280x720"]:
        width, height = (int(number) for number in size.split("x"))
        rng = np.random.default_rng(0)
        image = rng.integers(0, 256, (height, width, 3), np.uint8)

        def opencv(image: np.ndarray = image) -> object:
            return cv2.resize(image, (_GRID, _GRID), interpolation=cv2.INTER_AREA)

        def products(image: np.ndarray = image) -> object:
            return shrink_by_area(image, _GRID, _GRID)

        by_opencv, by_products = least_ms(opencv, products)
        told = "left to OpenCV" if products() is None else f"matrix products {by_products:.2f} ms"
        print(f"{size}: OpenCV {by_opencv:.2f} ms, {told}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
