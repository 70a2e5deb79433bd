"""`--show`: a window on this machine's screen."""

from __future__ import annotations

import os
import re
import socket
from collections.abc import Mapping
from contextlib import suppress
from typing import ClassVar

import cv2

from maskattn_edge.contract.errors import SinkError
from maskattn_edge.frame import Frame
from maskattn_edge.segmentation import Segmentation
from maskattn_edge.sinks.sink import Sink

_QUIT_KEYS = (ord("q"), 27)


class WindowSink(Sink):
    """Shows each frame under its labels; `q`, Esc or closing the window ends the run.

    OpenCV's windows want one thread for everything: the one that writes also opens and closes.

    Raises:
        SinkError: this OpenCV has no windows, or there is no screen.
    """

    TITLE: ClassVar[str] = "maskattn-edge"

    def __init__(self, *, opacity: float = 0.5) -> None:
        _check_display()
        self.name = "window"
        self._opacity = opacity
        self._open = False

    def write(self, frame: Frame, segmentation: Segmentation) -> None:
        """Show one frame."""
        picture = segmentation.overlay(frame.image_bgr, opacity=self._opacity)
        try:
            if not self._open:
                cv2.namedWindow(self.TITLE, cv2.WINDOW_NORMAL | cv2.WINDOW_KEEPRATIO)
                cv2.resizeWindow(self.TITLE, picture.shape[1], picture.shape[0])
                self._open = True
            cv2.imshow(self.TITLE, picture)
            key = cv2.waitKey(1) & 0xFF
            closed = cv2.getWindowProperty(self.TITLE, cv2.WND_PROP_VISIBLE) < 1
        except cv2.error as error:
            raise SinkError(f"the window cannot be shown: {error.err}") from error
        self.stop_requested = closed or key in _QUIT_KEYS

    def close(self) -> None:
        """Close the window."""
        if self._open:
            self._open = False
            cv2.destroyAllWindows()
            cv2.waitKey(1)


def _check_display() -> None:
    lines = cv2.getBuildInformation().splitlines()
    if any(line.split() == ["GUI:", "NONE"] for line in lines):
        raise SinkError(
            "--show needs an OpenCV with windows: "
            "pip uninstall -y opencv-python-headless && pip install opencv-python"
        )
    if not (os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")):
        raise SinkError(
            "--show needs a screen, and neither DISPLAY nor WAYLAND_DISPLAY is set: "
            "run it on the desktop, or use --save out.webm"
        )
    number = _local_x_screen(os.environ)
    if number is not None and not _x_answers(number):
        raise SinkError(
            f"--show: no screen answers at DISPLAY={os.environ['DISPLAY']}: "
            "run it on the desktop, or use --save out.webm"
        )


def _local_x_screen(environment: Mapping[str, str]) -> int | None:
    """The number of the X screen on this machine that would be used; None where there is none."""
    found = re.fullmatch(r"(?:unix)?:(\d{1,5})(?:\.\d+)?", environment.get("DISPLAY", ""))
    return int(found[1]) if found and not environment.get("WAYLAND_DISPLAY") else None


def _x_answers(number: int) -> bool:
    """Ask before Qt does, which ends the whole process where nothing answers."""
    for address in (f"\0/tmp/.X11-unix/X{number}", f"/tmp/.X11-unix/X{number}"):
        with socket.socket(socket.AF_UNIX) as connection, suppress(OSError):
            connection.connect(address)
            return True
    return False
