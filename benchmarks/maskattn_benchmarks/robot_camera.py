"""One camera's loop in a process of its own, until SIGTERM.

Run as `python -m maskattn_benchmarks.robot_camera MODEL ENGINE SOURCE THREADS OUT`; appends
one line of JSON a second to OUT: of each frame since the line before that was read its number and
when it was captured, and of each that was delivered its number, age and latency.
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
from maskattn_edge.sources.losses import Losses
from maskattn_edge.sources.source import Source


class FrameTimesSink(Sink):
    """Takes the labels at the frame's size, as a planner would, and keeps when they came."""

    name = "frame times"

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._times: list[tuple[int, float, float]] = []

    def write(self, frame: Frame, segmentation: Segmentation) -> None:
        """Keep the frame's number, and its age and latency in milliseconds."""
        assert segmentation.times is not None  # a pipeline's results have them
        labels = segmentation.frame_labels
        assert labels.shape == frame.image_bgr.shape[:2]
        times, now = segmentation.times, time.monotonic()
        entry = frame.index, (now - times.captured) * 1e3, (times.inferred - times.taken) * 1e3
        with self._lock:
            self._times.append(entry)

    def taken(self) -> list[tuple[int, float, float]]:
        """What was kept since the last call."""
        with self._lock:
            times, self._times = self._times, []
            return times


class NumberedSource(Source):
    """A source that keeps the number of each frame and when it was captured."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self.live, self.fps, self.length = source.live, source.fps, source.length
        self._lock = threading.Lock()
        self._read: list[tuple[int, float]] = []

    def read(self) -> Frame | None:
        """The source's next frame. Raises SourceError."""
        frame = self._source.read()
        if frame is not None:
            with self._lock:
                self._read.append((frame.index, frame.captured))
        return frame

    def taken(self) -> list[tuple[int, float]]:
        """What was kept since the last call."""
        with self._lock:
            read, self._read = self._read, []
            return read

    def describe(self) -> str:
        """The source, for people."""
        return self._source.describe()

    def losses(self) -> Losses:
        """Of the source."""
        return self._source.losses()

    def interrupt(self) -> None:
        """Let the source stop waiting."""
        self._source.interrupt()

    def close(self) -> None:
        """Give the source's device back."""
        self._source.close()


class LineWriter(Observer):
    """Appends a line a second, and the last one at the end."""

    def __init__(self, source: NumberedSource, sink: FrameTimesSink, path: Path) -> None:
        self._source, self._sink, self._path = source, sink, path

    def stats(self, stats: Stats) -> None:
        """A line of how it stands."""
        self._write(stats.device)

    def ended(self, summary: Summary) -> None:
        """The last line."""
        self._write(summary.device)

    def _write(self, device: str) -> None:
        delivered = self._sink.taken()  # first: what was delivered was read before
        line = {"device": device, "read": self._source.taken(), "delivered": delivered}
        with self._path.open("a") as file:
            file.write(json.dumps(line) + "\n")


def main(arguments: list[str]) -> int:
    """Run until the source ends or SIGTERM comes; returns the exit status."""
    model, engine, uri, threads, out = arguments
    try:
        file = read_model_file(Path(model))
        with open_candidate(file, engine, threads=int(threads) or None) as opened:
            source = NumberedSource(open_live(uri))
            sink = FrameTimesSink()
            observers = [LineWriter(source, sink, Path(out))]
            Pipeline(source, opened, [sink], observers=observers).run()
    except MaskAttnError as error:
        print(" ".join(str(error).split()), file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
