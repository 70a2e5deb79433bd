"""PNG in memory: golden samples in model files, calibration and held-out images in checkpoints."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from maskattn_edge.contract.errors import ContractError


def encode_rgb(image: NDArray[np.uint8]) -> bytes:
    """The PNG file of an image, (H, W, 3) uint8 RGB."""
    return _encode(np.asarray(cv2.cvtColor(image, cv2.COLOR_RGB2BGR), dtype=np.uint8))


def encode_labels(labels: NDArray[np.uint8]) -> bytes:
    """The PNG file of a label map, (H, W) uint8."""
    return _encode(labels)


def decode_rgb(data: bytes, *, height: int, width: int) -> NDArray[np.uint8]:
    """An image, (height, width, 3) uint8 RGB, from the bytes of its file.

    Raises:
        ContractError: the bytes are no picture, or it has another size.
    """
    image = _decode(data, cv2.IMREAD_COLOR, height, width)
    return np.asarray(cv2.cvtColor(image, cv2.COLOR_BGR2RGB), dtype=np.uint8)


def decode_labels(data: bytes, *, height: int, width: int) -> NDArray[np.uint8]:
    """A label map, (height, width) uint8, from the bytes of its file.

    Raises:
        ContractError: the bytes are no picture, or it has another size.
    """
    return _decode(data, cv2.IMREAD_GRAYSCALE, height, width)


def _encode(image: NDArray[np.uint8]) -> bytes:
    done, data = cv2.imencode(".png", image, [cv2.IMWRITE_PNG_COMPRESSION, 9])
    if not done:
        raise ContractError(f"an array of shape {image.shape} and {image.dtype} is no picture")
    return data.tobytes()


def _decode(data: bytes, how: int, height: int, width: int) -> NDArray[np.uint8]:
    if png_size(data) != (height, width):  # before decoding: a small file may unpack to gigabytes
        raise ContractError(f"a stored sample is no PNG picture of {height}x{width} pixels")
    image = cv2.imdecode(np.frombuffer(data, np.uint8), how)
    if image is None:
        raise ContractError("a stored sample is a damaged PNG picture")
    return np.asarray(image, dtype=np.uint8)


def png_size(data: bytes) -> tuple[int, int] | None:
    """(height, width) that a PNG file's header states; None if it is no PNG file."""
    if data[:8] != b"\x89PNG\r\n\x1a\n" or data[12:16] != b"IHDR":
        return None
    return int.from_bytes(data[20:24], "big"), int.from_bytes(data[16:20], "big")
