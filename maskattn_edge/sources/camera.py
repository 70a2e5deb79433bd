"""Cameras of this machine, through Video4Linux."""

from __future__ import annotations

import glob
import os
import time
from pathlib import Path

import cv2
import numpy as np

from maskattn_edge.contract.errors import SourceError
from maskattn_edge.frame import Frame
from maskattn_edge.sources.quiet import silence_opencv
from maskattn_edge.sources.source import Source


def open_camera(uri: str) -> CameraSource:
    """Open `0`, `/dev/video0` or `v4l2:///dev/video0`.

    Raises:
        SourceError: no such camera, no permission, or it is in use.
    """
    name = uri.removeprefix("v4l2://")
    return CameraSource(Path(f"/dev/video{name}" if name.isdecimal() else name))


class CameraSource(Source):
    """A camera that is read as fast as it delivers.

    The driver keeps one frame only, so that a frame is never older than it must be, and sends
    JPEG where it can: raw frames of a usual USB camera fill the bus at a few frames per second.

    Raises:
        SourceError: no such camera, no permission, or it is in use.
    """

    live = True

    def __init__(self, device: Path) -> None:
        _check_device(device)
        silence_opencv()
        self._device = device
        self._index = 0
        self._capture = cv2.VideoCapture(str(device), cv2.CAP_V4L2)
        if not self._capture.isOpened():
            raise SourceError(
                f"{device}: not a camera that gives pictures, or another program uses it; "
                f"{_present()}"
            )
        self._capture.set(cv2.CAP_PROP_FOURCC, cv2.VideoWriter.fourcc(*"MJPG"))
        self._capture.set(cv2.CAP_PROP_BUFFERSIZE, 1)
        self.fps = self._capture.get(cv2.CAP_PROP_FPS) or None
        self._height = int(self._capture.get(cv2.CAP_PROP_FRAME_HEIGHT))
        self._width = int(self._capture.get(cv2.CAP_PROP_FRAME_WIDTH))

    def read(self) -> Frame:
        """Wait for the next frame.

        Raises:
            SourceError: the camera gives no frames any more.
        """
        taken = self._capture.grab()
        captured = time.monotonic()  # before decoding, which is part of the frame's age
        decoded, image = self._capture.retrieve() if taken else (False, None)
        if not decoded or image is None:
            raise SourceError(
                f"{self._device}: the camera stopped after {self._index} frames; is it plugged in?"
            )
        self._index += 1
        return Frame(
            image_bgr=np.asarray(image, dtype=np.uint8), captured=captured, index=self._index - 1
        )

    def describe(self) -> str:
        """Device, size and rate."""
        rate = f", {self.fps:g} frames/s" if self.fps else ""
        return f"camera {self._device}, {self._width}x{self._height}{rate}"

    def close(self) -> None:
        """Give the camera back."""
        self._capture.release()


def cameras() -> list[str]:
    """The Video4Linux devices of this machine; some cameras have several."""
    return sorted(glob.glob("/dev/video*"), key=lambda name: (len(name), name))


def _present() -> str:
    found = cameras()
    return f"present: {', '.join(found)}" if found else "this machine has no camera (/dev/video*)"


def _check_device(device: Path) -> None:
    if not device.exists():
        raise SourceError(f"{device}: no such camera; {_present()}")
    if not os.access(device, os.R_OK | os.W_OK):
        raise SourceError(
            f"{device}: no permission; add yourself to the group video "
            "(`sudo usermod -aG video $USER`) and log in again"
        )
