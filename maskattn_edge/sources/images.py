"""Pictures: one file, a folder in natural order, or a glob."""

from __future__ import annotations

import glob
import re
import time
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np

from maskattn_edge.contract.errors import SourceError
from maskattn_edge.frame import Frame
from maskattn_edge.sources.quiet import silence_opencv
from maskattn_edge.sources.source import Source

SUFFIXES = (".bmp", ".jpeg", ".jpg", ".pgm", ".png", ".ppm", ".tif", ".tiff", ".webp")
"""Of files that are taken as pictures."""


class ImagesSource(Source):
    """Picture files in the given order.

    Raises:
        SourceError: there are none.
    """

    def __init__(self, files: Sequence[Path], *, path: Path) -> None:
        if not files:
            raise SourceError(f"{path}: no pictures ({', '.join(SUFFIXES)})")
        silence_opencv()
        self.path = path
        self.length = len(files)
        self.folders = {file.parent for file in files}
        self._files = files
        self._index = 0

    def read(self) -> Frame | None:
        """The next picture; None at the end.

        Raises:
            SourceError: the file is no complete picture; the message names it.
        """
        if self._index == len(self._files):
            return None
        file = self._files[self._index]
        self._index += 1
        try:
            data = np.frombuffer(file.read_bytes(), np.uint8)
            image = cv2.imdecode(data, cv2.IMREAD_COLOR) if data.size else None
        except OSError as error:
            raise SourceError(f"{file}: cannot be read: {error.strerror}") from error
        except cv2.error as error:  # a picture larger than OpenCV's bound
            raise SourceError(f"{file}: not a usable picture: {error.err}") from error
        if image is None:
            raise SourceError(f"{file}: not a complete picture of a known format")
        return Frame(
            image_bgr=np.asarray(image, dtype=np.uint8),
            captured=time.monotonic(),
            index=self._index - 1,
            name=file.name,
        )

    def describe(self) -> str:
        """Path and number of pictures."""
        return f"{self.path}, {self.length} picture{'s' * (self.length != 1)}"


def open_image(path: Path) -> ImagesSource:
    """One picture."""
    return ImagesSource([path], path=path)


def open_folder(path: Path) -> ImagesSource:
    """The pictures of a folder (not of the folders in it), in natural order of their names.

    Raises:
        SourceError: it has none, or cannot be listed.
    """
    try:
        files = [file for file in path.iterdir() if file.suffix.lower() in SUFFIXES]
    except OSError as error:
        raise SourceError(f"{path}: cannot be listed: {error.strerror}") from error
    return ImagesSource(natural_order(files), path=path)


def open_glob(pattern: str) -> ImagesSource:
    """The pictures whose paths match, `**` any folders, in natural order.

    Raises:
        SourceError: none matches.
    """
    files = [Path(name) for name in glob.glob(pattern, recursive=True)]
    pictures = [file for file in files if file.suffix.lower() in SUFFIXES and file.is_file()]
    return ImagesSource(natural_order(pictures), path=Path(pattern))


def natural_order(files: Sequence[Path]) -> list[Path]:
    """Sort so that numbers count: 2.png before 10.png.

    >>> [str(path) for path in natural_order([Path("a10.png"), Path("a2.png")])]
    ['a2.png', 'a10.png']
    """
    return sorted(files, key=lambda file: (_natural_key(str(file)), str(file)))


def _natural_key(text: str) -> list[tuple[int, str]]:
    parts = re.split(r"(\d+)", text.lower())
    return [(int(part), "") if part.isdecimal() else (-1, part) for part in parts]
