"""Video files, every frame in order."""

from __future__ import annotations

import time
from pathlib import Path

import cv2
import numpy as np

from maskattn_edge.contract.errors import SourceError
from maskattn_edge.frame import Frame
from maskattn_edge.sources.quiet import silence_opencv
from maskattn_edge.sources.source import Source
from maskattn_edge.sources.truncation import missing_bytes


class VideoSource(Source):
    """A video file.

    Raises:
        SourceError: it is missing, empty, truncated, or not a video that OpenCV reads.
    """

    def __init__(self, path: Path) -> None:
        _check_file(path)
        silence_opencv()
        self.path = path
        self._index = 0
        self._capture = cv2.VideoCapture(str(path), cv2.CAP_FFMPEG)
        if not self._capture.isOpened():
            raise SourceError(f"{path}: not a complete video or picture of a known format")
        self.fps = _positive(self._capture.get(cv2.CAP_PROP_FPS))
        frames = _positive(self._capture.get(cv2.CAP_PROP_FRAME_COUNT))
        self.length = None if frames is None else int(frames)
        self._height = int(self._capture.get(cv2.CAP_PROP_FRAME_HEIGHT))
        self._width = int(self._capture.get(cv2.CAP_PROP_FRAME_WIDTH))

    def read(self) -> Frame | None:
        """The next frame; None at the end.

        Raises:
            SourceError: the file has no frame at all.
        """
        read, image = self._capture.read()
        if not read or image is None:
            if self._index == 0:
                raise SourceError(f"{self.path}: not one frame of it can be decoded")
            return None
        self._index += 1
        return Frame(
            image_bgr=np.asarray(image, dtype=np.uint8),
            captured=time.monotonic(),
            index=self._index - 1,
        )

    def describe(self) -> str:
        """File, size and rate."""
        rate = f", {self.fps:g} frames/s" if self.fps else ""
        return f"{self.path}, {self._width}x{self._height}{rate}"

    def close(self) -> None:
        """Close the file."""
        self._capture.release()


def _positive(value: float) -> float | None:
    return value if 0 < value < 1e9 else None


def _check_file(path: Path) -> None:
    try:
        if not path.is_file():
            raise SourceError(f"{path}: not a file that can be read as a video")
        size = path.stat().st_size
        missing = missing_bytes(path)
    except OSError as error:
        raise SourceError(f"{path}: cannot be read: {error.strerror}") from error
    if size == 0:
        raise SourceError(f"{path}: the file is empty")
    if missing:
        raise SourceError(
            f"{path}: truncated, at least {missing:,} bytes are missing: copy it again"
        )
