"""Cameras on a CSI ribbon cable, through GStreamer: Jetson and Raspberry Pi."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import cv2
import numpy as np

from maskattn_edge.contract.errors import SourceError, UsageError
from maskattn_edge.frame import Frame
from maskattn_edge.sources.options import Range, parse_options
from maskattn_edge.sources.quiet import silence_opencv
from maskattn_edge.sources.reopening import ReopeningSource
from maskattn_edge.sources.source import Source

_OPTIONS: dict[str, Range | tuple[str, ...]] = {
    "width": Range(16, 16384),
    "height": Range(16, 16384),
    "fps": Range(1, 1000),
    "flip": Range(0, 7),
    "driver": ("nvargus", "libcamera"),
}
_TEGRA = Path("/etc/nv_tegra_release")
_NEWEST = "appsink drop=true max-buffers=1 sync=false"


@dataclass(frozen=True, kw_only=True)
class CsiSettings:
    """What `csi://0?width=1280&height=720&fps=30&flip=0&driver=nvargus` asks for.

    Args:
        sensor: number of the camera.
        width: pixels.
        height: pixels.
        fps: frames per second.
        flip: rotation and mirroring as `nvvidconv flip-method` numbers them; Jetson alone.
        driver: nvargus (Jetson) or libcamera (Raspberry Pi).
    """

    sensor: int
    width: int = 1280
    height: int = 720
    fps: int = 30
    flip: int = 0
    driver: str = "nvargus"

    def pipeline(self) -> str:
        """The GStreamer pipeline, which keeps the newest frame alone."""
        size = f"width={self.width},height={self.height},framerate={self.fps}/1"
        if self.driver == "nvargus":
            return (
                f"nvarguscamerasrc sensor-id={self.sensor} ! "
                f"video/x-raw(memory:NVMM),{size} ! nvvidconv flip-method={self.flip} ! "
                "video/x-raw,format=BGRx ! videoconvert ! video/x-raw,format=BGR ! " + _NEWEST
            )
        return (
            f"libcamerasrc ! video/x-raw,{size} ! videoconvert ! video/x-raw,format=BGR ! {_NEWEST}"
        )


def open_csi(uri: str) -> Source:
    """Open `csi://0?width=1280&height=720&fps=30`, again after each loss.

    Raises:
        UsageError: it is no number of a camera, or a setting is wrong.
        SourceError: this OpenCV has no GStreamer, or the camera does not start.
    """
    parts = urlsplit(uri)
    number = (parts.netloc + parts.path).strip("/") or "0"
    if not number.isdecimal() or not number.isascii() or len(number) > 2:
        raise UsageError(f"{uri}: write csi://0 or csi://0?width=1280&height=720&fps=30")
    values = parse_options(uri, parts.query, _OPTIONS)
    driver = values.pop("driver", "nvargus" if _TEGRA.exists() else "libcamera")
    sizes = {key: int(value) for key, value in values.items()}
    settings = CsiSettings(sensor=int(number), driver=str(driver), **sizes)
    if settings.driver == "libcamera" and (settings.sensor or settings.flip):
        raise UsageError(f"{uri}: camera 0 without flip is what libcamera is asked for here")
    if not has_gstreamer():
        raise SourceError(_no_gstreamer(uri, settings))
    return ReopeningSource(lambda: CsiSource(uri, settings))


def has_gstreamer() -> bool:
    """Whether this OpenCV was built with GStreamer; the one from pip is not."""
    lines = cv2.getBuildInformation().splitlines()
    return any(line.split()[:2] == ["GStreamer:", "YES"] for line in lines)


def _no_gstreamer(uri: str, settings: CsiSettings) -> str:
    system = "JetPack's" if settings.driver == "nvargus" else "the system's (python3-opencv)"
    return (
        f"{uri}: needs an OpenCV with GStreamer, and this one ({cv2.__version__}) has none: "
        f"pip uninstall -y opencv-python-headless opencv-python, and use {system} in an "
        "environment made by `python3 -m venv --system-site-packages`; "
        f"the pipeline will be: {settings.pipeline()}"
    )


class CsiSource(Source):
    """A CSI camera, until its pipeline ends.

    Raises:
        SourceError: the pipeline does not start; the message holds it.
    """

    live = True

    def __init__(self, uri: str, settings: CsiSettings) -> None:
        silence_opencv()
        self._uri, self._settings, self._index = uri, settings, 0
        self.fps = float(settings.fps)
        self._capture = cv2.VideoCapture(settings.pipeline(), cv2.CAP_GSTREAMER)
        if not self._capture.isOpened():
            raise SourceError(
                f"{uri}: the camera does not start: try `gst-launch-1.0 "
                f"{settings.pipeline().replace(_NEWEST, 'fakesink')}`"
            )

    def read(self) -> Frame:
        """Wait for the next frame.

        Raises:
            SourceError: the pipeline gives no frames any more.
        """
        taken = self._capture.grab()
        captured = time.monotonic()
        decoded, image = self._capture.retrieve() if taken else (False, None)
        if not decoded or image is None:
            raise SourceError(f"{self._uri}: the camera stopped after {self._index} frames")
        self._index += 1
        return Frame(
            image_bgr=np.asarray(image, dtype=np.uint8), captured=captured, index=self._index - 1
        )

    def describe(self) -> str:
        """Number, size and rate."""
        s = self._settings
        return f"CSI camera {s.sensor}, {s.width}x{s.height}, {s.fps} frames/s"

    def close(self) -> None:
        """Stop the pipeline."""
        self._capture.release()
