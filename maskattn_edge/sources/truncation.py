"""Whether a video file was cut off, from the sizes that its own headers state.

A decoder shows a truncated file as a shorter video without a word. MP4 and MOV are chains of
boxes, each with its size (ISO/IEC 14496-12, section 4.2); AVI is one RIFF chunk.
"""

from __future__ import annotations

from pathlib import Path
from typing import BinaryIO

_MAX_BOXES = 100_000  # a hostile file may state a million tiny boxes


def missing_bytes(path: Path) -> int:
    """Bytes that the file's headers promise beyond its end; 0 where formats do not tell.

    Raises:
        OSError: the file cannot be read.
    """
    size = path.stat().st_size
    with path.open("rb") as file:
        head = file.read(12)
        if head[4:8] in (b"ftyp", b"moov", b"mdat"):
            return max(0, _end_of_boxes(file, size) - size)
        if head[:4] == b"RIFF" and head[8:12] == b"AVI ":
            return max(0, 8 + int.from_bytes(head[4:8], "little") - size)
    return 0


def _end_of_boxes(file: BinaryIO, size: int) -> int:
    position = 0
    for _ in range(_MAX_BOXES):
        if position >= size:
            break
        file.seek(position)
        head = file.read(16)
        length = int.from_bytes(head[:4], "big")
        if length == 1:  # the size follows the type, in 8 bytes
            length = int.from_bytes(head[8:16], "big")
        if length < 8:  # 0: the box goes on to the end of the file
            break
        position += length
    return position
