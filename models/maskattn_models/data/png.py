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
_GREY, _RGB, _PALETTE = 0, 2, 3
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
    return np.asarray(_read_grey(data, bits=(1, 2, 4, 8)), dtype=np.uint8)


def read_id_png(data: bytes) -> NDArray[np.uint16]:
    """The samples of a grey or palette PNG of up to 16 bits, (H, W) uint16, as stored.

    Raises:
        DataError: no PNG, damaged or incomplete, or in colours. The message does not name the file.
    """
    return _read_grey(data, bits=(1, 2, 4, 8, 16)).astype(np.uint16)


def read_color_png(data: bytes) -> NDArray[np.uint8]:
    """The samples of an RGB PNG of 8 bits, (H, W, 3) uint8 RGB, without colour correction.

    Raises:
        DataError: no PNG, damaged or incomplete, or not RGB. The message does not name the file.
    """
    bare, bits, kind = _bare(data)
    if (kind, bits) != (_RGB, 8):
        raise DataError(
            f"has {bits} bits per sample and the colour type {kind}; an id picture is RGB with 8 "
            "bits per sample: get it anew, or write it without a palette and transparency"
        )
    decoded = np.asarray(_decode(bare, ndim=3), dtype=np.uint8)
    return np.asarray(cv2.cvtColor(decoded, cv2.COLOR_BGR2RGB), dtype=np.uint8)


def _read_grey(data: bytes, bits: tuple[int, ...]) -> NDArray[np.generic]:
    bare, depth, kind = _bare(data)
    if kind in _COLORED:
        raise DataError(
            f"holds {_COLORED[kind]}; masks are 8-bit single-channel index images: write each "
            "pixel's class number, not its colour"
        )
    if depth not in bits or kind not in (_GREY, _PALETTE):
        raise DataError(
            f"has {depth} bits per sample; masks are 8-bit single-channel index images: convert "
            "it to 8 bits (255 = ignored)"
        )
    decoded = _decode(bare, ndim=2)
    expansion = 255 // (2**depth - 1) if depth < 8 else 1  # by OpenCV, of 1, 2 and 4 bits
    return decoded if expansion == 1 else decoded // np.uint8(expansion)


def _bare(data: bytes) -> tuple[bytes, int, int]:
    """The file with nothing but header, samples and end, palette as grey; its bits and type."""
    if not data.startswith(_SIGNATURE):
        raise DataError("not a PNG file; masks are 8-bit single-channel PNG files")
    bare = bytearray(_SIGNATURE)
    bits = kind = 0
    for name, body in _chunks(data):
        if name == b"IHDR":
            bits, kind = body[8], body[9]
            if kind == _PALETTE:
                body = body[:9] + bytes([_GREY]) + body[10:]
        if name in _NEEDED:
            bare += struct.pack(">I", len(body)) + name + body
            bare += struct.pack(">I", zlib.crc32(name + body))
    return bytes(bare), bits, kind


def _decode(bare: bytes, ndim: int) -> NDArray[np.generic]:
    try:
        decoded = cv2.imdecode(np.frombuffer(bare, np.uint8), cv2.IMREAD_UNCHANGED)
    except cv2.error:
        decoded = None
    if decoded is None or decoded.ndim != ndim:
        raise DataError("a damaged PNG file: copy or write it again")
    return decoded


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
