"""`--jsonl FILE`: what each frame shows, one JSON object per line.

A line, here with breaks:

    {"index": 12,                      number of the frame in its source; gaps were dropped
     "name": "shot.jpg",               file name, null unless the frame is a file of its own
     "width": 640, "height": 480,      of the frame, pixels
     "times_ms": {"captured": 1.0, "taken": 2.0, "inferred": 9.5, "delivered": 9.9},
                                       monotonic clock: comparable within one boot only
     "latency_ms": 7.5,                taken to inferred
     "age_ms": 8.9,                    captured to delivered
     "classes": [                      those present, largest first
       {"id": 2, "name": "floor",
        "share": 0.41,                 of the frame's area, 0..1
        "contours": [[[0, 400], [639, 400], ...], ...]}],   outlines and holes, x y in pixels
     "instances": [                    only for tasks that find objects
       {"number": 1, "id": 5, "name": "cup", "score": 0.93,
        "box": [10, 20, 110, 90]}]}    x0 y0 x1 y1 in pixels of the frame, ends exclusive
"""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np

from maskattn_edge.frame import Frame
from maskattn_edge.line_file import LineFile
from maskattn_edge.preprocess import Geometry
from maskattn_edge.segmentation import FrameTimes, Segmentation
from maskattn_edge.sinks.sink import Sink, cannot_write


class JsonLinesSink(Sink):
    """Writes each line at once and whole, so that another program can follow the file.

    Args:
        target: a file, which is replaced, or `-` for standard output.

    Raises:
        SinkError: the file cannot be opened.
    """

    def __init__(self, target: str) -> None:
        self.name = "standard output" if target == "-" else target
        try:
            self._file = LineFile(None if target == "-" else Path(target))
        except OSError as error:
            raise cannot_write(target, error) from error

    def write(self, frame: Frame, segmentation: Segmentation) -> None:
        """Write the line of one frame.

        Raises:
            SinkError: it cannot be written; no part of it stays in the file.
            BrokenPipeError: whoever reads the standard output has gone.
        """
        entry = record(frame, segmentation)
        try:
            self._file.write(json.dumps(entry, separators=(",", ":"), allow_nan=False))
        except BrokenPipeError:
            raise
        except OSError as error:
            raise cannot_write(self.name, error) from error

    def close(self) -> None:
        """Close the file; standard output stays open."""
        self._file.close()


def record(frame: Frame, segmentation: Segmentation) -> dict[str, object]:
    """The JSON object of one frame, as the module says."""
    times = segmentation.times or FrameTimes(captured=frame.captured)
    height, width = frame.image_bgr.shape[:2]
    entry: dict[str, object] = {
        "index": frame.index,
        "name": frame.name,
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
