"""Palette PNG files: one byte per pixel that is a class and shows as its colour.

OpenCV writes no palettes. Specification: w3.org/TR/png-3, sections 5.2, 11.2 and 12.
"""

from __future__ import annotations

import struct
import zlib

import numpy as np
from numpy.typing import NDArray

from maskattn_edge.contract.errors import ContractError

_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_BITS, _PALETTE_COLOR = 8, 3
_LEVEL = 4  # label maps shrink well at any level, and this one is quick


def encode_palette_png(labels: NDArray[np.uint8], palette: NDArray[np.uint8]) -> bytes:
    """The PNG file of a label map.

    Args:
        labels: (H, W) uint8 indices into `palette`.
        palette: (256, 3) uint8 RGB.

    Raises:
        ContractError: an array has another shape or dtype.
    """
    if labels.ndim != 2 or labels.dtype != np.uint8 or not labels.size:
        raise ContractError(f"labels are (H, W) uint8, got {labels.shape} of {labels.dtype}")
    if palette.shape != (256, 3) or palette.dtype != np.uint8:
        raise ContractError(f"a palette is (256, 3) uint8, got {palette.shape} of {palette.dtype}")
    height, width = labels.shape
    rows = np.zeros((height, width + 1), np.uint8)  # each row begins with its filter: 0, none
    rows[:, 1:] = labels
    header = struct.pack(">IIBBBBB", width, height, _BITS, _PALETTE_COLOR, 0, 0, 0)
    return b"".join(
        (
            _SIGNATURE,
            _chunk(b"IHDR", header),
            _chunk(b"PLTE", palette.tobytes()),
            _chunk(b"IDAT", zlib.compress(rows.tobytes(), _LEVEL)),
            _chunk(b"IEND", b""),
        )
    )


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
