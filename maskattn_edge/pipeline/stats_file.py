"""`--stats FILE`: how a run stands, one JSON object per line, every few seconds.

The lines hold the fields of `Stats` after `"kind": "stats"`; the last one
those of `Summary` after `"kind": "summary"`.
"""

from __future__ import annotations

import json
import warnings
from pathlib import Path

from maskattn_edge.closing import Closing
from maskattn_edge.contract.errors import ContractError, MaskAttnWarning
from maskattn_edge.line_file import LineFile
from maskattn_edge.pipeline.observer import Observer
from maskattn_edge.pipeline.reporter import PERIOD_S
from maskattn_edge.pipeline.stats import Stats
from maskattn_edge.pipeline.summary import Summary
from maskattn_edge.sinks.sink import cannot_write


class StatsFile(Observer, Closing):
    """Writes the lines. A context manager.

    A disk that is full does not end a run: lines are left out, with one warning, until there is
    room again.

    Args:
        path: the file, which is replaced; its folder is made.
        every_s: seconds between lines, 1 or more.

    Raises:
        ContractError: `every_s` is below 1.
        SinkError: the file cannot be opened.
    """

    def __init__(self, path: Path, *, every_s: float = 5.0) -> None:
        if not every_s >= PERIOD_S:
            raise ContractError(f"seconds between lines of statistics must be 1 or more: {every_s}")
        self._path, self._every_s = path, every_s
        self._due, self._warned = every_s, False
        try:
            self._file = LineFile(path)
        except OSError as error:
            raise cannot_write(path, error) from error

    def stats(self, stats: Stats) -> None:
        """Write a line when one is due."""
        if stats.seconds < self._due - PERIOD_S / 2:  # a second's jitter must not skip a line
            return
        self._due = max(self._due + self._every_s, stats.seconds + PERIOD_S / 2)
        self._write({"kind": "stats", **stats.as_dict()})

    def ended(self, summary: Summary) -> None:
        """Write the last line."""
        self._write({"kind": "summary", **summary.as_dict()})

    def _write(self, entry: dict[str, object]) -> None:
        try:
            self._file.write(json.dumps(entry, separators=(",", ":"), allow_nan=False))
        except OSError as error:
            if not self._warned:
                self._warned = True
                warnings.warn(str(cannot_write(self._path, error)), MaskAttnWarning, stacklevel=2)

    def close(self) -> None:
        """Close the file; may be called twice."""
        self._file.close()
