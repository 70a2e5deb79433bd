"""What one frame shows, as plain data for JSON; the form is in `sinks/jsonl.py`."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from maskattn_edge.frame import FrameTimes
from maskattn_edge.preprocess import Geometry

if TYPE_CHECKING:
    from maskattn_edge.segmentation import Segmentation


def record(segmentation: Segmentation) -> dict[str, object]:
    """The JSON object of one frame; index and name are null where the frame is not known."""
    frame = segmentation.frame
    captured = math.nan if frame is None else frame.captured
    times = segmentation.times or FrameTimes(captured=captured)
    height, width = segmentation.frame_labels.shape
    entry: dict[str, object] = {
        "index": None if frame is None else frame.index,
        "name": None if frame is None else frame.name,
        "reopened": 0 if frame is None else frame.reopened,
        "width": width,
        "height": height,
        "times_ms": {
            "captured": _ms(times.captured * 1e3),
            "taken": _ms(times.taken * 1e3),
            "inferred": _ms(times.inferred * 1e3),
            "delivered": _ms(times.delivered * 1e3),
        },
        "latency_ms": _ms(times.latency_ms),
        "age_ms": _ms(times.age_ms),
        "classes": segmentation.areas(),
    }
    if segmentation.instances is not None:
        entry["instances"] = _instances(segmentation)
    return entry


def _ms(value: float) -> float | None:
    return round(value, 3) if math.isfinite(value) else None


def _instances(segmentation: Segmentation) -> list[dict[str, object]]:
    table = segmentation.instances
    assert table is not None
    present = np.flatnonzero(table.score > 0).tolist()
    return [
        {
            "number": row + 1,
            "id": int(table.label[row]),
            "name": segmentation.class_name(int(table.label[row])),
            "score": round(float(table.score[row]), 4),
            "box": _frame_box(table.box[row].tolist(), segmentation.place),
        }
        for row in present
    ]


def _frame_box(box: list[int], place: Geometry | None) -> list[int]:
    """A box of the network's grid in pixels of the frame."""
    if place is None:
        return box
    across, down = place.frame_width / place.width, place.frame_height / place.height
    x0, y0, x1, y1 = box
    corners = (
        ((x0 - place.left) * across, place.frame_width),
        ((y0 - place.top) * down, place.frame_height),
        ((x1 - place.left) * across, place.frame_width),
        ((y1 - place.top) * down, place.frame_height),
    )
    return [min(max(round(value), 0), end) for value, end in corners]
