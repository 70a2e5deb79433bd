"""Whether a video file was cut off, from the sizes that its own headers state.

A decoder shows a truncated file as a shorter video without a word. MP4 and MOV are chains of
boxes, each with its size (ISO/IEC 14496-12, section 4.2); AVI is one RIFF chunk; WebM and Matroska
are a header and a segment (RFC 9559), whose size is unknown where the writer was killed.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import BinaryIO

_EBML, _SEGMENT = b"\x1a\x45\xdf\xa3", b"\x18\x53\x80\x67"
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
        if head[:4] == _EBML:
            return max(0, _end_of_segment(file) - size)
    return 0


def _end_of_segment(file: BinaryIO) -> int:
    file.seek(len(_EBML))
    file.seek(_length(file) or 0, os.SEEK_CUR)
    if file.read(len(_SEGMENT)) != _SEGMENT:
        return 0
    length = _length(file)
    return 0 if length is None else file.tell() + length


def _length(file: BinaryIO) -> int | None:
    """The length of an EBML element, which begins with as many zero bits as bytes follow.

    None where it is unknown, all bits one, or is no length.
    """
    first = int.from_bytes(file.read(1), "big")
    following = 8 - first.bit_length()
    if following > 7:
        return None
    bits = 7 * (following + 1)
    value = (first << 8 * following | int.from_bytes(file.read(following), "big")) & (1 << bits) - 1
    return None if value == (1 << bits) - 1 else value


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
