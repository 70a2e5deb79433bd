"""`--save out.mp4`: the frames under their labels, as a video that browsers play."""

from __future__ import annotations

import math
from contextlib import suppress
from fractions import Fraction
from pathlib import Path
from typing import Any, BinaryIO

import cv2
import numpy as np
from numpy.typing import NDArray

from maskattn_edge.contract.atomic import replacing
from maskattn_edge.contract.errors import SinkError
from maskattn_edge.frame import Frame
from maskattn_edge.preprocess import fit
from maskattn_edge.segmentation import Segmentation
from maskattn_edge.sinks.encoder import ENCODERS, choose_encoder
from maskattn_edge.sinks.sink import Sink, cannot_write

SUFFIXES = tuple(ENCODERS)

_MILLISECOND = Fraction(1, 1000)
_PICTURES_FPS = 10.0  # of a video made of single pictures


class VideoSink(Sink):
    """Encodes the overlays into a temporary file beside `path` and renames it on `close`.

    A run that is interrupted leaves a complete video of all frames so far; one that wrote no
    frame, or whose writing failed, leaves what was there before. Frames of another size than
    the first are scaled into its size, with bars.

    Args:
        path: ends in one of `SUFFIXES`.
        fps: constant frame rate; None takes it for single pictures.
        live: time each frame by its capture instead of by `fps`.
        opacity: of the colours, 0..1.

    Raises:
        SinkError: the file cannot be made, or nothing can encode it.
    """

    def __init__(
        self, path: Path, *, fps: float | None, live: bool = False, opacity: float = 0.5
    ) -> None:
        self.name = str(path)
        self._path = path
        self._encoder = choose_encoder(path.suffix.lower())
        self._rate = Fraction(fps or _PICTURES_FPS).limit_denominator(1001)
        self._live, self._opacity = live, opacity
        self._replacing = replacing(path)
        try:
            if path.is_dir():
                raise IsADirectoryError(0, "it is a folder")
            self._file: BinaryIO = self._replacing.__enter__().open("wb")
        except OSError as error:
            raise cannot_write(path, error) from error
        self._container: Any = None
        self._stream: Any = None
        self._size = (0, 0)
        self._first = self._last_pts = 0
        self._failed = self._closed = False

    def write(self, frame: Frame, segmentation: Segmentation) -> None:
        """Encode one frame."""
        picture = segmentation.overlay(frame.image_bgr, opacity=self._opacity)
        try:
            if self._container is None:
                self._start(picture, frame)
            self._encode(self._sized(picture), self._pts(frame))
        except BaseException as error:
            self._failed = True
            raise self._explained(error) from error

    def close(self) -> None:
        """Complete the video and give it its name."""
        if self._closed:
            return
        self._closed = True
        if self._failed or self._container is None:
            self._discard()
            return
        try:
            for packet in self._stream.encode():
                self._container.mux(packet)
            self._container.close()
            self._file.close()
            self._replacing.__exit__(None, None, None)
        except BaseException as error:
            self._discard()
            raise self._explained(error) from error

    def _start(self, picture: NDArray[np.uint8], frame: Frame) -> None:
        import av

        suffix = self._path.suffix.lower()
        # Into our own file object: FFmpeg's would keep a full disk to itself.
        container = av.open(self._file, "w", format={".mkv": "matroska"}.get(suffix, suffix[1:]))
        stream: Any = container.add_stream(
            self._encoder.name, rate=self._rate, options=dict(self._encoder.options)
        )
        height, width = picture.shape[:2]
        stream.height, stream.width = height + height % 2, width + width % 2
        stream.pix_fmt = "yuv420p"
        if self._live:
            stream.codec_context.time_base = _MILLISECOND
        self._container, self._stream = container, stream
        self._size = (height, width)
        self._first = _ms(frame.captured)
        self._last_pts = -1

    def _pts(self, frame: Frame) -> int:
        """When the frame is shown: in milliseconds when live, else its number."""
        due = _ms(frame.captured) - self._first if self._live else 0
        self._last_pts = max(self._last_pts + 1, due)
        return self._last_pts

    def _sized(self, picture: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """The picture in the video's size, which is even because colour has half resolution."""
        height, width = self._size
        if picture.shape[:2] != self._size:
            picture, _ = fit(picture, height=height, width=width, resize="letterbox")
        if height % 2 or width % 2:
            bordered = cv2.copyMakeBorder(
                picture, 0, height % 2, 0, width % 2, cv2.BORDER_REPLICATE
            )
            return np.asarray(bordered, dtype=np.uint8)
        return picture

    def _encode(self, picture: NDArray[np.uint8], pts: int) -> None:
        import av

        frame = av.VideoFrame.from_ndarray(picture, format="bgr24")
        frame.pts = pts
        frame.time_base = _MILLISECOND if self._live else 1 / self._rate
        for packet in self._stream.encode(frame):
            self._container.mux(packet)

    def _discard(self) -> None:
        """Close whatever is open and remove the temporary file."""
        if self._container is not None:
            with suppress(Exception):
                self._container.close()
        with suppress(OSError):
            self._file.close()
        failure = SinkError(self.name)
        with suppress(SinkError):
            self._replacing.__exit__(SinkError, failure, None)

    def _explained(self, error: BaseException) -> BaseException:
        import av

        if isinstance(error, OSError) and error.errno:
            return cannot_write(self._path, error)
        if isinstance(error, (av.FFmpegError, ValueError, OSError)):
            return SinkError(f"{self._path}: cannot be encoded with {self._encoder.name}: {error}")
        return error


def _ms(seconds: float) -> int:
    return math.floor(seconds * 1e3)
