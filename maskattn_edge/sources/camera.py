"""Cameras of this machine, through Video4Linux."""

from __future__ import annotations

import time
import warnings
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from maskattn_edge.contract.errors import MaskAttnWarning, SourceError
from maskattn_edge.frame import Frame
from maskattn_edge.sources.options import Range, parse_options
from maskattn_edge.sources.quiet import silence_opencv
from maskattn_edge.sources.reopening import ReopeningSource
from maskattn_edge.sources.source import Source
from maskattn_edge.sources.v4l2 import cannot_open, check_device

_OPTIONS: dict[str, Range | tuple[str, ...]] = {
    "format": ("MJPG", "YUYV"),
    "width": Range(16, 16384),
    "height": Range(16, 16384),
    "fps": Range(0.01, 1000.0),
}
_OLDEST_S = 10.0  # a driver's time that lies further back is by another clock than ours


@dataclass(frozen=True, kw_only=True)
class CameraSettings:
    """What `v4l2:///dev/video0?format=MJPG&width=640&height=480&fps=30` asks for.

    Args:
        format: MJPG or YUYV. Raw frames of a usual USB camera fill the bus at a few frames per
            second, JPEG does not; YUYV spares the decoding where frames are small.
        width: pixels; None leaves it to the camera.
        height: pixels; None leaves it to the camera.
        fps: frames per second; None leaves it to the camera.
    """

    format: str = "MJPG"
    width: int | None = None
    height: int | None = None
    fps: float | None = None


def open_camera(uri: str) -> Source:
    """Open `0`, `/dev/video0` or `v4l2:///dev/video0?width=640`, again after each loss.

    Raises:
        UsageError: a setting is unknown or out of range.
        SourceError: no such camera, no permission, or it is in use.
    """
    name, _, query = uri.removeprefix("v4l2://").partition("?")
    values = parse_options(uri, query, _OPTIONS)
    settings = CameraSettings(
        format=str(values.get("format", CameraSettings.format)),
        width=int(values["width"]) if "width" in values else None,
        height=int(values["height"]) if "height" in values else None,
        fps=float(values["fps"]) if "fps" in values else None,
    )
    device = Path(f"/dev/video{name}" if name.isdecimal() else name)
    return ReopeningSource(lambda: CameraSource(device, settings))


class CameraSource(Source):
    """A camera that is read as fast as it delivers, until it is unplugged.

    The driver keeps one frame only, so that a frame is never older than it must be.

    Raises:
        SourceError: no such camera, no permission, or it is in use.
    """

    live = True

    def __init__(self, device: Path, settings: CameraSettings | None = None) -> None:
        check_device(device)
        silence_opencv()
        self._device, self._index = device, 0
        self._capture = cv2.VideoCapture(str(device), cv2.CAP_V4L2)
        if not self._capture.isOpened():
            raise cannot_open(device)
        self._set(settings or CameraSettings())
        self.fps = self._capture.get(cv2.CAP_PROP_FPS) or None
        self._height = int(self._capture.get(cv2.CAP_PROP_FRAME_HEIGHT))
        self._width = int(self._capture.get(cv2.CAP_PROP_FRAME_WIDTH))
        self._warn(settings or CameraSettings())

    def _set(self, wanted: CameraSettings) -> None:
        # The format first: sizes and rates depend on it.
        self._capture.set(cv2.CAP_PROP_FOURCC, cv2.VideoWriter.fourcc(*wanted.format))
        for key, value in (
            (cv2.CAP_PROP_FRAME_WIDTH, wanted.width),
            (cv2.CAP_PROP_FRAME_HEIGHT, wanted.height),
            (cv2.CAP_PROP_FPS, wanted.fps),
            (cv2.CAP_PROP_BUFFERSIZE, 1),
        ):
            if value is not None:
                self._capture.set(key, value)

    def _warn(self, wanted: CameraSettings) -> None:
        """Say where the driver chose the nearest that it has."""
        for name, asked, got in (
            ("width", wanted.width, self._width),
            ("height", wanted.height, self._height),
            ("fps", wanted.fps, self.fps),
        ):
            if asked is not None and got and abs(asked - got) > 0.5:
                warnings.warn(
                    f"{self._device}: {name} {asked:g} was asked for, the camera gives {got:g}; "
                    f"`v4l2-ctl -d {self._device} --list-formats-ext` lists what it has",
                    MaskAttnWarning,
                    stacklevel=2,
                )

    def read(self) -> Frame:
        """Wait for the next frame.

        Raises:
            SourceError: the camera gives no frames any more.
        """
        taken = self._capture.grab()
        arrived = time.monotonic()  # before decoding, which is part of the frame's age
        decoded, image = self._capture.retrieve() if taken else (False, None)
        if not decoded or image is None:
            raise SourceError(
                f"{self._device}: the camera stopped after {self._index} frames; is it plugged in?"
            )
        self._index += 1
        return Frame(
            image_bgr=np.asarray(image, dtype=np.uint8),
            captured=self._captured(arrived),
            index=self._index - 1,
        )

    def _captured(self, arrived: float) -> float:
        """The driver's time of the frame, where it is by the monotonic clock."""
        stamped = self._capture.get(cv2.CAP_PROP_POS_MSEC) / 1e3
        return stamped if arrived - _OLDEST_S < stamped <= arrived else arrived

    def describe(self) -> str:
        """Device, size and rate."""
        rate = f", {self.fps:g} frames/s" if self.fps else ""
        return f"camera {self._device}, {self._width}x{self._height}{rate}"

    def close(self) -> None:
        """Give the camera back."""
        self._capture.release()
