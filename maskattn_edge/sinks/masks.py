"""`--masks DIR`: a palette PNG of class indices for each frame."""

from __future__ import annotations

import os
from pathlib import Path

from maskattn_edge.contract.classes import palette
from maskattn_edge.frame import Frame
from maskattn_edge.segmentation import Segmentation
from maskattn_edge.sinks.png import encode_palette_png
from maskattn_edge.sinks.sink import Sink, cannot_write


class MasksSink(Sink):
    """Writes `000012.png` for frame 12, or `shot.png` for the picture `shot.jpg`.

    Each file is the label map at the frame's size, pixel value = class, shown in the classes'
    colours; it appears under its name only when it is complete. Pictures that differ in their
    suffix alone keep it: `shot.jpg` and `shot.bmp` give `shot.png` and `shot.bmp.png`.

    Raises:
        SinkError: the folder cannot be made.
    """

    def __init__(self, folder: Path) -> None:
        self.name = str(folder)
        self._folder = folder
        self._temporary = folder / f".mask.{os.getpid()}.tmp"
        self._stems: set[str] = set()
        try:
            folder.mkdir(parents=True, exist_ok=True)
            self._temporary.touch()  # an unwritable folder is told before the run
        except OSError as error:
            raise cannot_write(folder, error) from error

    def write(self, frame: Frame, segmentation: Segmentation) -> None:
        """Write the mask of one frame."""
        data = encode_palette_png(segmentation.frame_labels, palette(segmentation.spec.classes))
        path = self._folder / f"{self._stem(frame)}.png"
        try:
            # Not synced to the disk one by one: that would cost more than the inference.
            self._temporary.write_bytes(data)
            self._temporary.replace(path)
        except OSError as error:
            raise cannot_write(path, error) from error

    def _stem(self, frame: Frame) -> str:
        if frame.name is None:
            return f"{frame.index:06d}"
        stem = Path(frame.name).stem
        if stem in self._stems:
            return Path(frame.name).name
        self._stems.add(stem)
        return stem

    def close(self) -> None:
        """Remove what a failed write left."""
        self._temporary.unlink(missing_ok=True)
