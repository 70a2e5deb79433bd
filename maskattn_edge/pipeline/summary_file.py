"""`--summary FILE`: what a run amounted to, as JSON, of a run that failed too."""

from __future__ import annotations

from pathlib import Path

from maskattn_edge.closing import Closing
from maskattn_edge.contract.atomic import check_writable, write_text
from maskattn_edge.pipeline.observer import Observer
from maskattn_edge.pipeline.summary import Summary
from maskattn_edge.sinks.sink import cannot_write


class SummaryFile(Observer, Closing):
    """Writes the summary when it is closed. A context manager.

    Args:
        path: the file, which is replaced at the end; its folder is made.

    Raises:
        SinkError: the file cannot be written, which is tried at once.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._summary: Summary | None = None
        try:
            check_writable(path)
        except OSError as error:
            raise cannot_write(path, error) from error

    def ended(self, summary: Summary) -> None:
        """Keep the summary."""
        self._summary = summary

    def close(self) -> None:
        """Write the summary, if the run came to one; may be called twice.

        Raises:
            SinkError: it cannot be written any more.
        """
        summary, self._summary = self._summary, None
        if summary is None:
            return
        try:
            write_text(self._path, summary.to_json() + "\n")
        except OSError as error:
            raise cannot_write(self._path, error) from error
