"""One camera's loop in a process of its own, until SIGTERM.

Run as `python -m maskattn_benchmarks.robot_camera MODEL ENGINE SOURCE THREADS OUT`; appends
one line of JSON a second to OUT: frames captured, dropped and missed so far, and of each frame
delivered since the line before its time, age and latency.
"""

from __future__ import annotations

import json
import sys
import threading
import time
from pathlib import Path

from maskattn_benchmarks.peers.table import open_candidate
from maskattn_benchmarks.replay import open_live
from maskattn_edge.contract.errors import MaskAttnError
from maskattn_edge.contract.model_file import read_model_file
from maskattn_edge.frame import Frame
from maskattn_edge.pipeline import Observer, Pipeline, Stats, Summary
from maskattn_edge.segmentation import Segmentation
from maskattn_edge.sinks.sink import Sink


class FrameTimesSink(Sink):
    """Takes the labels at the frame's size, as a planner would, and keeps when they came."""

    name = "frame times"

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._times: list[tuple[float, float, float]] = []

    def write(self, frame: Frame, segmentation: Segmentation) -> None:
        """Keep delivery in seconds of the monotonic clock, age and latency in milliseconds."""
        assert segmentation.times is not None  # a pipeline's results have them
        labels = segmentation.frame_labels
        assert labels.shape == frame.image_bgr.shape[:2]
        times, now = segmentation.times, time.monotonic()
        entry = now, (now - times.captured) * 1e3, (times.inferred - times.taken) * 1e3
        with self._lock:
            self._times.append(entry)

    def taken(self) -> list[tuple[float, float, float]]:
        """What was kept since the last call."""
        with self._lock:
            times, self._times = self._times, []
            return times


class LineWriter(Observer):
    """Appends a line a second, and the last one at the end."""

    def __init__(self, sink: FrameTimesSink, path: Path) -> None:
        self._sink, self._path = sink, path

    def stats(self, stats: Stats) -> None:
        """A line of how it stands."""
        missed = sum(output.dropped for output in stats.outputs)
        self._write(stats.captured, stats.dropped, missed, stats.device)

    def ended(self, summary: Summary) -> None:
        """The last line."""
        missed = sum(output.dropped for output in summary.outputs)
        self._write(summary.captured, summary.dropped.engine, missed, summary.device)

    def _write(self, captured: int, dropped: int, missed: int, device: str) -> None:
        line = {
            "time": time.monotonic(),
            "captured": captured,
            "dropped": dropped,
            "missed": missed,
            "device": device,
            "frames": self._sink.taken(),
        }
        with self._path.open("a") as file:
            file.write(json.dumps(line) + "\n")


def main(arguments: list[str]) -> int:
    """Run until the source ends or SIGTERM comes; returns the exit status."""
    model, engine, uri, threads, out = arguments
    try:
        file = read_model_file(Path(model))
        with open_candidate(file, engine, threads=int(threads) or None) as opened:
            source = open_live(uri)
            sink = FrameTimesSink()
            observers = [LineWriter(sink, Path(out))]
            Pipeline(source, opened, [sink], observers=observers).run()
    except MaskAttnError as error:
        print(" ".join(str(error).split()), file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
