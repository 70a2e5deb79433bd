"""Index masks in PNG files: the numbers as stored, never colours.

OpenCV turns a palette PNG into colours, expands samples of 1, 2 or 4 bits to the full range, and
may apply transparency or orientation. All of that follows from the file's header and side chunks.
So the file is rewritten in memory before it is decoded: the header then says "grey", which changes
no byte of the compressed samples, and only header, samples and end are kept.

Specification: w3.org/TR/png-3, sections 5 (chunks) and 11.2.1 (IHDR).
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator

import cv2
import numpy as np
from numpy.typing import NDArray

from maskattn_edge.contract.errors import DataError

_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_GREY, _PALETTE = 0, 3
_COLORED = {2: "RGB colours", 4: "grey with transparency", 6: "RGBA colours"}
_NEEDED = (b"IHDR", b"IDAT", b"IEND")


def read_index_png(data: bytes) -> NDArray[np.uint8]:
    """The samples of a grey or palette PNG of at most 8 bits.

    Args:
        data: the whole file.

    Returns:
        (H, W) uint8: indices into the palette, or grey values, as stored.

    Raises:
        DataError: no PNG, damaged or incomplete, in colours, or of 16 bits. The message does not
            name the file.
    """
    if not data.startswith(_SIGNATURE):
        raise DataError("not a PNG file; masks are 8-bit single-channel PNG files")
    grey = bytearray(_SIGNATURE)
    bits = 0
    for kind, body in _chunks(data):
        if kind == b"IHDR":
            body, bits = _as_grey(body)
        if kind in _NEEDED:
            grey += struct.pack(">I", len(body)) + kind + body
            grey += struct.pack(">I", zlib.crc32(kind + body))
    try:
        decoded = cv2.imdecode(np.frombuffer(grey, np.uint8), cv2.IMREAD_UNCHANGED)
    except cv2.error:
        decoded = None
    if decoded is None or decoded.ndim != 2:
        raise DataError("a damaged PNG file: copy or write it again")
    expansion = np.uint8(255 // (2**bits - 1))  # by OpenCV, of samples of 1, 2 and 4 bits
    samples: NDArray[np.uint8] = np.asarray(decoded, dtype=np.uint8) // expansion
    return samples


def _as_grey(header: bytes) -> tuple[bytes, int]:
    """The header with its colour type set to grey, and the bits of a sample."""
    bits, kind = header[8], header[9]
    if kind in _COLORED:
        raise DataError(
            f"holds {_COLORED[kind]}; masks are 8-bit single-channel index images: write each "
            "pixel's class number, not its colour"
        )
    if bits not in (1, 2, 4, 8) or kind not in (_GREY, _PALETTE):
        raise DataError(
            f"has {bits} bits per sample; masks are 8-bit single-channel index images: convert "
            "it to 8 bits (255 = ignored)"
        )
    return header[:9] + bytes([_GREY]) + header[10:], bits


def _chunks(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Chunks up to the end mark, (type, body); the end mark must be there."""
    at = len(_SIGNATURE)
    while at + 12 <= len(data):
        size, kind = struct.unpack(">I4s", data[at : at + 8])
        body, check = data[at + 8 : at + 8 + size], data[at + 8 + size : at + 12 + size]
        if len(check) < 4 or int.from_bytes(check, "big") != zlib.crc32(kind + body):
            break
        if at == len(_SIGNATURE) and (kind != b"IHDR" or size != 13):
            break
        yield kind, body
        if kind == b"IEND":
            return
        at += 12 + size
    raise DataError("an incomplete or damaged PNG file: copy or write it again")
