"""A source, a sink and an engine that cost nothing themselves, for measuring what lies between."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from maskattn_benchmarks.harness import NullEngine
from maskattn_edge.contract.model_file import ModelFile
from maskattn_edge.frame import Frame
from maskattn_edge.segmentation import Segmentation
from maskattn_edge.sinks import Sink
from maskattn_edge.sources import Source
from maskattn_edge.synthetic import SyntheticCamera


class MemorySource(Source):
    """`length` frames that lie in memory, over and over: as a file, or as a camera of `fps`.

    Args:
        images: (H, W, 3) uint8 BGR each.
        length: of the source.
        fps: a camera's; None gives frames as fast as they are taken, none dropped.
    """

    def __init__(
        self,
        images: Sequence[NDArray[np.uint8]],
        length: int,
        *,
        fps: float | None = None,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self.length, self.fps, self.live = length, fps, fps is not None
        self._images = itertools.cycle(images)
        self._index, self._began = 0, float("nan")
        self._clock, self._sleep = clock, sleep

    def read(self) -> Frame | None:
        """The next frame, at its time where this is a camera; None at the end."""
        if self._index == self.length:
            return None
        captured = self._clock() if self.fps is None else self._at_its_time(self.fps)
        self._index += 1
        return Frame(image_bgr=next(self._images), captured=captured, index=self._index - 1)

    def _at_its_time(self, fps: float) -> float:
        if self._index == 0:
            self._began = self._clock()
        wait_s = self._began + self._index / fps - self._clock()
        if wait_s > 0:
            self._sleep(wait_s)
        return self._clock()

    def describe(self) -> str:
        """Number and rate."""
        rate = "" if self.fps is None else f", {self.fps:.1f} frames/s"
        return f"{self.length} frames in memory{rate}"


class NullSink(Sink):
    """Takes results and does nothing with them."""

    name = "nowhere"

    def write(self, frame: Frame, segmentation: Segmentation) -> None:
        """Nothing."""


class SleepingEngine(NullEngine):
    """Answers after `period_s` without using the processor, as an accelerator would."""

    name = "sleeping"

    def __init__(self, file: ModelFile, period_s: float) -> None:
        super().__init__(file)
        self._period_s = period_s

    def _run(self, image_nhwc: NDArray[np.uint8]) -> dict[str, NDArray[np.generic]]:
        time.sleep(self._period_s)
        return super()._run(image_nhwc)


def camera_images(
    count: int = 16, *, height: int = 480, width: int = 640
) -> list[NDArray[np.uint8]]:
    """Pictures of a moving scene, (height, width, 3) uint8 BGR."""
    camera = SyntheticCamera(0, height=height, width=width, fps=30)
    return [camera.frame(index).image_bgr for index in range(count)]
