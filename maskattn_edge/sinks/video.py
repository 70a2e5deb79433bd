"""`--save out.webm`: the frames under their labels, as a video that browsers play."""

from __future__ import annotations

import math
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO, Protocol

import numpy as np
from numpy.typing import NDArray

from maskattn_edge.contract.atomic import replacing
from maskattn_edge.contract.errors import SinkError
from maskattn_edge.frame import Frame
from maskattn_edge.preprocess import fit
from maskattn_edge.segmentation import Segmentation
from maskattn_edge.sinks.h264 import H264Writer, h264_encoder
from maskattn_edge.sinks.sink import Sink, cannot_write
from maskattn_edge.sinks.webm import WebmWriter

_PICTURES_FPS = 10.0  # of a video made of single pictures


class VideoWriter(Protocol):
    """What turns pictures into a file."""

    def write(self, picture: NDArray[np.uint8], time_ms: int) -> None:
        """Add a picture that is shown from `time_ms` on."""

    def close(self) -> None:
        """Complete the file, which the caller closes."""

    def abandon(self) -> None:
        """Give back what is held, without completing the file."""


OpenWriter = Callable[[BinaryIO, tuple[int, int]], VideoWriter]


def _webm(path: Path) -> OpenWriter:
    return lambda file, size: WebmWriter(file, size=size, doctype="webm")


def _matroska(path: Path) -> OpenWriter:
    return lambda file, size: WebmWriter(file, size=size, doctype="matroska")


def _mp4(path: Path) -> OpenWriter:
    encoder = h264_encoder(path)
    return lambda file, size: H264Writer(file, size=size, encoder=encoder)


WRITERS: dict[str, Callable[[Path], OpenWriter]] = {
    ".webm": _webm,
    ".mkv": _matroska,
    ".mp4": _mp4,
}
"""Suffix of a video file -> what says at once whether it can be written, and then writes it."""

SUFFIXES = tuple(WRITERS)


class VideoSink(Sink):
    """Encodes the overlays into a temporary file beside `path` and renames it on `close`.

    A run that is interrupted leaves a complete video of all frames so far; one that wrote no
    frame, or whose writing failed, leaves what was there before. Of a process that was killed
    the temporary file stays, `.out.*.tmp.webm`: a video as far as it was written, if not MP4.
    Frames of another size than the first are scaled into its size, with bars.

    Args:
        path: ends in one of `SUFFIXES`.
        fps: constant frame rate; None takes it for single pictures.
        live: time each frame by its capture instead of by `fps`.
        opacity: of the colours, 0..1.

    Raises:
        SinkError: the file cannot be made, or nothing can encode it.
        MissingDependencyError: the suffix needs a package that is not installed.
    """

    def __init__(
        self, path: Path, *, fps: float | None, live: bool = False, opacity: float = 0.5
    ) -> None:
        self.name = str(path)
        self._path = path
        self._open_writer = WRITERS[path.suffix.lower()](path)
        self._fps = fps or _PICTURES_FPS
        self._live, self._opacity = live, opacity
        self._replacing = replacing(path)
        try:
            if path.is_dir():
                raise IsADirectoryError(0, "it is a folder")
            self._file: BinaryIO = self._replacing.__enter__().open("wb")
        except OSError as error:
            raise cannot_write(path, error) from error
        self._writer: VideoWriter | None = None
        self._size = (0, 0)
        self._first, self._count, self._last_ms = 0.0, 0, -1
        self._failed = self._closed = False

    def write(self, frame: Frame, segmentation: Segmentation) -> None:
        """Encode one frame."""
        picture = segmentation.overlay(frame.image_bgr, opacity=self._opacity)
        try:
            if self._writer is None:
                self._size = (picture.shape[0], picture.shape[1])
                self._first = frame.captured
                self._writer = self._open_writer(self._file, self._size)
            self._writer.write(self._sized(picture), self._time_ms(frame))
        except BaseException as error:
            self._failed = True
            raise self._explained(error) from error

    def close(self) -> None:
        """Complete the video and give it its name."""
        if self._closed:
            return
        self._closed = True
        if self._failed or self._writer is None:
            self._discard()
            return
        try:
            self._writer.close()
            self._file.close()
            self._replacing.__exit__(None, None, None)
        except BaseException as error:
            self._discard()
            raise self._explained(error) from error

    def _time_ms(self, frame: Frame) -> int:
        """When the frame is shown, in milliseconds; later than the one before."""
        due_s = frame.captured - self._first if self._live else self._count / self._fps
        self._count += 1
        self._last_ms = max(self._last_ms + 1, math.floor(due_s * 1e3 + 0.5))
        return self._last_ms

    def _sized(self, picture: NDArray[np.uint8]) -> NDArray[np.uint8]:
        height, width = self._size
        if picture.shape[:2] != self._size:
            picture, _ = fit(picture, height=height, width=width, resize="letterbox")
        return picture

    def _discard(self) -> None:
        """Close whatever is open and remove the temporary file."""
        if self._writer is not None:
            self._writer.abandon()
        with suppress(OSError):
            self._file.close()
        failure = SinkError(self.name)
        with suppress(SinkError):
            self._replacing.__exit__(SinkError, failure, None)

    def _explained(self, error: BaseException) -> BaseException:
        if isinstance(error, OSError) and error.errno:
            return cannot_write(self._path, error)
        if isinstance(error, (SinkError, ValueError, OSError)):
            return SinkError(f"{self._path}: {error}")
        return error
