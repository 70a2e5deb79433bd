"""`synthetic://`: a made-up camera, for trying things out without one."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from urllib.parse import urlsplit

from maskattn_edge.contract.errors import UsageError
from maskattn_edge.frame import Frame
from maskattn_edge.sources.options import Range, parse_options
from maskattn_edge.sources.source import Source


@dataclass(frozen=True, kw_only=True)
class SyntheticSettings:
    """What `synthetic://?seed=3&width=640&height=480&fps=30&frames=150` says.

    Args:
        seed: of the scene.
        width: of the picture, pixels.
        height: of the picture, pixels.
        fps: frames per second.
        frames: None plays on like a camera; a number plays like a file of that length.
    """

    seed: int = 0
    width: int = 640
    height: int = 480
    fps: int = 30
    frames: int | None = None


_BOUNDS = {
    "seed": Range(0, 2**31 - 1),
    "width": Range(16, 4096),
    "height": Range(16, 4096),
    "fps": Range(1, 1000),
    "frames": Range(1, 10**9),
}


def open_synthetic(uri: str) -> SyntheticSource:
    """Open `synthetic://`, with the settings in its query.

    Raises:
        UsageError: a setting is unknown or out of bounds.
    """
    parts = urlsplit(uri)
    if parts.netloc or parts.path.strip("/"):
        raise UsageError(f"{uri}: write synthetic:// or synthetic://?seed=3&frames=150")
    given = parse_options(uri, parts.query, _BOUNDS)
    values = {key: int(value) for key, value in given.items()}
    return SyntheticSource(SyntheticSettings(**values))


class SyntheticSource(Source):
    """Frames of a moving scene: at the pace of a camera, or like a file of given length."""

    def __init__(
        self,
        settings: SyntheticSettings,
        *,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        from maskattn_edge.synthetic import SyntheticCamera

        self.live = settings.frames is None
        self.fps = float(settings.fps)
        self.length = settings.frames
        self._settings = settings
        self._camera = SyntheticCamera(
            settings.seed, height=settings.height, width=settings.width, fps=settings.fps
        )
        self._index = 0
        self._clock, self._sleep = clock, sleep
        self._due: float | None = None

    def read(self) -> Frame | None:
        """The next frame, at its time when live; None at the end of a given length."""
        if self.length is not None and self._index == self.length:
            return None
        image = self._camera.frame(self._index).image_bgr
        if self.live:
            self._wait()
        self._index += 1
        return Frame(image_bgr=image, captured=self._clock(), index=self._index - 1)

    def _wait(self) -> None:
        now = self._clock()
        if self._due is not None and now < self._due:
            self._sleep(self._due - now)
            now = self._due
        self._due = now + 1 / self._settings.fps

    def describe(self) -> str:
        """Seed, size and rate."""
        s = self._settings
        return f"synthetic camera {s.seed}, {s.width}x{s.height}, {s.fps} frames/s"
