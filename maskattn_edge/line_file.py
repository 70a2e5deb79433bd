"""A file of lines that another program follows while it grows."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from maskattn_edge.closing import Closing


class LineFile(Closing):
    """Writes each line at once: a reader sees it whole or not at all.

    Lines are appended, so the file may be cut or rotated by copying while it is open.

    Args:
        path: the file, which is replaced; None writes to standard output, which stays open.

    Raises:
        OSError: the file cannot be opened.
    """

    def __init__(self, path: Path | None) -> None:
        self._owned = path is not None
        self._file = 1
        if path is not None:
            path.parent.mkdir(parents=True, exist_ok=True)
            flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_APPEND
            self._file = os.open(path, flags, 0o666)

    def write(self, line: str) -> None:
        """Write one line; its end is added.

        Raises:
            OSError: it cannot be written; no part of it stays in the file.
        """
        data = memoryview(line.encode() + b"\n")
        written = 0
        try:
            while written < len(data):
                written += os.write(self._file, data[written:])
        except OSError:
            self._take_back(written)
            raise

    def _take_back(self, written: int) -> None:
        """Cut off the start of a line whose end found no room."""
        status = os.fstat(self._file)
        if written and stat.S_ISREG(status.st_mode):
            os.ftruncate(self._file, status.st_size - written)

    def close(self) -> None:
        """Close the file; may be called twice."""
        if self._owned:
            self._owned = False
            os.close(self._file)
