"""RTSP cameras and servers, through OpenCV's FFmpeg."""

from __future__ import annotations

import math
import os
import re
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import quote

import cv2
import numpy as np

from maskattn_edge.contract.errors import SourceError
from maskattn_edge.frame import Frame
from maskattn_edge.sources.address import Address
from maskattn_edge.sources.quiet import silence_opencv
from maskattn_edge.sources.reopening import ReopeningSource
from maskattn_edge.sources.rtsp_probe import check_reachable, probe
from maskattn_edge.sources.source import Source
from maskattn_edge.sources.stream_clock import StreamClock

_VARIABLE = "OPENCV_FFMPEG_CAPTURE_OPTIONS"
# Nothing is kept back for a smoother picture, and half a second tells what the stream is. That
# half second is kept all the same: without its key frame nothing could be shown before the next.
_LOW_LATENCY = "flags;low_delay|max_delay;0|reorder_queue_size;0|analyzeduration;500000"
_CAUGHT_UP_S = 0.005
_MOST_KEPT = 300
_KEY_FRAME_S = 15.0  # a picture may need a key frame first, and cameras send few
_environment = threading.Lock()


def open_rtsp(uri: str) -> Source:
    """Open `rtsp://user:password@host/path#open=5&read=3&transport=tcp`, again after each loss.

    Raises:
        UsageError: it is no address, or an option is wrong.
        SourceError: it cannot be reached or decoded.
    """
    address = Address.parse(uri)
    return ReopeningSource(lambda: RtspSource(address))


class RtspSource(Source):
    """One session with a server; it ends when the session does.

    Raises:
        SourceRefusedError: the server wants another user or password.
        SourceError: it cannot be reached, or OpenCV cannot decode the stream.
    """

    live = True

    def __init__(self, address: Address) -> None:
        silence_opencv()
        check_reachable(address)
        self._address, self._index = address, 0
        self._clock = StreamClock()
        settings = [
            *(cv2.CAP_PROP_OPEN_TIMEOUT_MSEC, round(address.open_s * 1e3)),
            *(cv2.CAP_PROP_READ_TIMEOUT_MSEC, round((address.read_s + _KEY_FRAME_S) * 1e3)),
            *(cv2.CAP_PROP_N_THREADS, 1),  # each further thread keeps back a frame
        ]
        silence = f"{_silence_option()};{round(address.read_s * 1e6)}"
        options = f"rtsp_transport;{address.transport}|{silence}|{_LOW_LATENCY}"
        with _capture_options(options):
            self._capture = cv2.VideoCapture(_with_login(address), cv2.CAP_FFMPEG, settings)
        if not self._capture.isOpened():
            probe(address)
            raise SourceError(
                f"{address.shown}: the server answers, but no video came within "
                f"{address.open_s:g} s that OpenCV can decode: try #open=10 or #transport=udp"
            )
        self._catch_up()
        self._height = int(self._capture.get(cv2.CAP_PROP_FRAME_HEIGHT))
        self._width = int(self._capture.get(cv2.CAP_PROP_FRAME_WIDTH))

    def _catch_up(self) -> None:
        """Leave out what came while the stream was looked at: it is old, and arrives at once.

        Until then each frame is less late than the one before it.
        """
        least, before_s = math.inf, math.nan
        for _ in range(_MOST_KEPT):
            if not self._capture.grab():
                return  # `read` tells
            arrived, stream_s = time.monotonic(), self._stream_s()
            if stream_s == before_s:  # OpenCV gives the first two frames one time
                continue
            before_s = stream_s
            self._clock.captured(arrived, stream_s)
            if arrived - stream_s > least - _CAUGHT_UP_S:
                return
            least = arrived - stream_s

    def _stream_s(self) -> float:
        return float(self._capture.get(cv2.CAP_PROP_POS_MSEC)) / 1e3

    def read(self) -> Frame | None:
        """The next frame.

        Raises:
            SourceError: the session ended, or no frame came in time.
        """
        taken = self._capture.grab()
        arrived = time.monotonic()
        decoded, image = self._capture.retrieve() if taken else (False, None)
        if not decoded or image is None:
            raise SourceError(
                f"{self._address.shown}: the stream ended, or nothing came for "
                f"{self._address.read_s:g} s"
            )
        self._index += 1
        return Frame(
            image_bgr=np.asarray(image, dtype=np.uint8),
            captured=self._clock.captured(arrived, self._stream_s()),
            index=self._index - 1,
        )

    def describe(self) -> str:
        """Address and size."""
        return f"{self._address.shown}, {self._width}x{self._height}"

    def close(self) -> None:
        """End the session."""
        self._capture.release()


def _silence_option() -> str:
    """FFmpeg's name for how long a server may send nothing; it changed with version 5."""
    found = re.search(r"avformat:\s+YES \((\d+)", cv2.getBuildInformation())
    return "stimeout" if found is not None and int(found[1]) < 59 else "timeout"


def _with_login(address: Address) -> str:
    if address.user is None:
        return address.uri
    scheme, _, rest = address.uri.partition("://")
    return f"{scheme}://{quote(address.user, safe='')}:{quote(address.password, safe='')}@{rest}"


@contextmanager
def _capture_options(options: str) -> Iterator[None]:
    """OpenCV takes options for FFmpeg from the environment alone, and reads them when it opens."""
    with _environment:
        before = os.environ.get(_VARIABLE)
        os.environ[_VARIABLE] = options
        try:
            yield
        finally:
            if before is None:
                del os.environ[_VARIABLE]
            else:
                os.environ[_VARIABLE] = before
