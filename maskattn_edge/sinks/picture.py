"""`--save out.png`: the overlay of a single picture."""

from __future__ import annotations

from pathlib import Path

import cv2

from maskattn_edge.contract.atomic import write_bytes
from maskattn_edge.contract.errors import SinkError
from maskattn_edge.frame import Frame
from maskattn_edge.segmentation import Segmentation
from maskattn_edge.sinks.sink import Sink, cannot_write

SUFFIXES = (".png", ".jpg", ".jpeg")


class PictureSink(Sink):
    """Writes the frame under its labels to `path`.

    Raises:
        SinkError: the folder cannot be made.
    """

    def __init__(self, path: Path, *, opacity: float = 0.5) -> None:
        self.name = str(path)
        self._path = path
        self._opacity = opacity
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise cannot_write(path, error) from error

    def write(self, frame: Frame, segmentation: Segmentation) -> None:
        """Write the picture."""
        overlay = segmentation.overlay(frame.image_bgr, opacity=self._opacity)
        done, data = cv2.imencode(self._path.suffix.lower(), overlay)
        if not done:
            raise SinkError(f"{self._path}: the picture cannot be encoded")
        try:
            write_bytes(self._path, data.tobytes())
        except OSError as error:
            raise cannot_write(self._path, error) from error
