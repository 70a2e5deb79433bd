"""`--jsonl FILE`: what each frame shows, one JSON object per line.

A line, here with breaks:

    {"index": 12,                      number of the frame in its source; gaps were dropped
     "name": "shot.jpg",               file name, null unless the frame is a file of its own
     "reopened": 0,                     how often the source had been lost and opened again
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

from dataclasses import replace
from pathlib import Path

from maskattn_edge.frame import Frame
from maskattn_edge.line_file import LineFile
from maskattn_edge.segmentation import Segmentation
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
        line = replace(segmentation, frame=frame).to_json()
        try:
            self._file.write(line)
        except BrokenPipeError:
            raise
        except OSError as error:
            raise cannot_write(self.name, error) from error

    def close(self) -> None:
        """Close the file; standard output stays open."""
        self._file.close()
