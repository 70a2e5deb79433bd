"""A recording played like a camera: its frames come at their pace, again and again, as JPEG."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

import cv2
import numpy as np

from maskattn_benchmarks.frames import camera_frames
from maskattn_edge.contract.errors import SourceError
from maskattn_edge.frame import Frame
from maskattn_edge.sources import open_source
from maskattn_edge.sources.source import Source

FPS = 30.0
_KEPT = 64


def open_live(uri: str) -> Source:
    """A live source as it is; of any other, up to 64 frames in a loop, at its rate or 30 a second.

    Raises:
        SourceError, UsageError: as `open_source`, or there is no frame.
    """
    source = open_source(uri)
    if source.live:
        return source
    source.close()
    files, height, width = camera_frames(uri, _KEPT)
    return ReplayCamera(files, source.fps or FPS, f"{uri} played as a camera, {width}x{height}")


class ReplayCamera(Source):
    """JPEG files in turn, as a USB camera sends them; whoever reads too slowly misses some.

    Args:
        files: at least one.
        fps: frames per second.
        name: for people.
        clock: seconds, monotonic.
        sleep: waits for seconds.
    """

    live = True

    def __init__(
        self,
        files: Sequence[bytes],
        fps: float,
        name: str,
        *,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self.fps = fps
        self._files, self._name = [np.frombuffer(data, np.uint8) for data in files], name
        self._clock, self._sleep = clock, sleep
        self._began: float | None = None
        self._index = -1

    def read(self) -> Frame:
        """The next frame that the camera sends, decoded; `captured` is when it was sent.

        Raises:
            SourceError: a file is no picture.
        """
        assert self.fps is not None
        now = self._clock()
        if self._began is None:
            self._began = now
        newest = int((now - self._began) * self.fps)
        self._index = max(self._index + 1, newest)
        due = self._began + self._index / self.fps
        if due > now:
            self._sleep(due - now)
        image = cv2.imdecode(self._files[self._index % len(self._files)], cv2.IMREAD_COLOR)
        if image is None:
            raise SourceError(f"{self._name}: a frame is no picture")
        return Frame(image_bgr=np.asarray(image, np.uint8), captured=due, index=self._index)

    def describe(self) -> str:
        """What is played, and how fast."""
        return f"{self._name}, {self.fps:g} frames/s"
