"""One frame as the page gets it.

    u32, little-endian        length of the head
    head                      JSON: number, index, width, height (of the frame), age_ms, latency_ms,
                              classes ([id, share]), grid ({width, height, instances: bool}),
                              picture (bytes of the JPEG)
    JPEG                      the camera's picture alone
    labels                    uint8, height x width of the grid, row by row
    instances                 the same, where the grid has them

The page lays the colours over the picture, so that each viewer has an opacity of its own and the
robot encodes a frame once for all.
"""

from __future__ import annotations

import json
import math
import struct
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from maskattn_edge.contract.errors import SinkError
from maskattn_edge.frame import Frame, FrameTimes
from maskattn_edge.preprocess import scale_image
from maskattn_edge.segmentation import Segmentation

MAX_SIDE = 960
"""A larger picture is sent smaller: it would cost more than a screen shows."""

_QUALITY = 80


@dataclass(frozen=True, kw_only=True)
class Record:
    """An encoded frame. `captured` is in seconds of the monotonic clock."""

    number: int
    captured: float
    head: dict[str, object]
    body: bytes

    def to_bytes(self, now: float) -> bytes:
        """The record as it is sent at `now`, which tells its age."""
        age_ms = round((now - self.captured) * 1e3, 1)
        head = json.dumps({**self.head, "age_ms": age_ms}, separators=(",", ":")).encode()
        return struct.pack("<I", len(head)) + head + self.body


def encode(number: int, frame: Frame, answer: Segmentation) -> Record:
    """Encode a frame and its labels.

    Raises:
        SinkError: OpenCV cannot encode the picture.
    """
    jpeg = _jpeg(frame.image_bgr)
    grids = [_inner(answer.labels, answer)]
    if answer.instances is not None:
        grids.append(_inner(answer.instances.map, answer))
    latency = (answer.times or FrameTimes(captured=frame.captured)).latency_ms
    rows, columns = grids[0].shape
    head: dict[str, object] = {
        "number": number,
        "index": frame.index,
        "width": frame.image_bgr.shape[1],
        "height": frame.image_bgr.shape[0],
        "latency_ms": round(latency, 3) if math.isfinite(latency) else None,
        "classes": [[area["id"], area["share"]] for area in answer.areas(contours=False)],
        "grid": {"width": columns, "height": rows, "instances": len(grids) > 1},
        "picture": len(jpeg),
    }
    body = jpeg + b"".join(grid.tobytes() for grid in grids)
    return Record(number=number, captured=frame.captured, head=head, body=body)


def _jpeg(image_bgr: NDArray[np.uint8]) -> bytes:
    height, width = image_bgr.shape[:2]
    scale = min(1.0, MAX_SIDE / max(height, width))
    small = scale_image(image_bgr, max(1, round(height * scale)), max(1, round(width * scale)))
    done, data = cv2.imencode(".jpg", small, [cv2.IMWRITE_JPEG_QUALITY, _QUALITY])
    if not done:
        raise SinkError("the picture for the live page cannot be encoded")
    return data.tobytes()


def _inner(grid: NDArray[np.uint8], answer: Segmentation) -> NDArray[np.uint8]:
    """The part of the grid that shows the frame, without the bars of a letterbox."""
    place = answer.place
    if place is None:
        return grid
    return grid[place.top : place.top + place.height, place.left : place.left + place.width]
