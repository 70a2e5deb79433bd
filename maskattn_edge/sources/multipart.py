"""Motion JPEG over HTTP: pictures out of a stream of parts.

Source: RFC 2046, section 5.1, and what cameras make of it: boundaries with or without their two
dashes, parts with or without a length.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

MAX_PART = 32 << 20
"""Bytes of one picture; a server that sends more is not believed."""

_MAX_HEAD = 64 << 10
_LENGTH = re.compile(rb"content-length:\s*(\d+)", re.I)
_BOUNDARY = re.compile(r'boundary=(?:"([^"]+)"|([^\s;]+))', re.I)


def boundary_of(content_type: str) -> bytes | None:
    """What lies between the parts; None where `content_type` is not Motion JPEG.

    >>> boundary_of('multipart/x-mixed-replace; boundary=--frame')
    b'--frame'
    """
    found = _BOUNDARY.search(content_type)
    if not content_type.lower().startswith("multipart/") or found is None:
        return None
    return b"--" + (found[1] or found[2]).lstrip("-").encode()


class Parts:
    """Takes bytes as they come and gives the whole pictures among them.

    `broken` counts parts that were cut off or were no whole JPEG.

    Raises:
        ValueError: a part is larger than `MAX_PART`, or has no end of its head.
    """

    def __init__(self, boundary: bytes) -> None:
        self._boundary = boundary
        self._buffer = bytearray()
        self._searched = 0
        self.broken = 0

    @property
    def started(self) -> bool:
        """Whether the beginning of a picture waits for its end."""
        return b"\xff\xd8" in self._buffer

    def feed(self, data: bytes) -> Iterator[bytes]:
        """The whole JPEG files that `data` completes."""
        self._buffer += data
        while (part := self._next()) is not None:
            if _is_whole(part):
                yield part
            else:
                self.broken += 1

    def _next(self) -> bytes | None:
        """The next part's content, cut where the next boundary comes too early."""
        start = self._buffer.find(self._boundary)
        if start < 0:
            del self._buffer[: -len(self._boundary)]
            return None
        head_end = self._buffer.find(b"\r\n\r\n", start)
        if head_end < 0:
            if len(self._buffer) - start > _MAX_HEAD:
                raise ValueError("the head of a part has no end")
            return None
        begin = head_end + 4
        length = _LENGTH.search(self._buffer, start, head_end)
        stated = None if length is None else int(length[1])
        if max(stated or 0, len(self._buffer) - begin) > MAX_PART:
            raise ValueError(f"a part is larger than {MAX_PART:,} bytes")
        return self._cut(begin, stated)

    def _cut(self, begin: int, stated: int | None) -> bytes | None:
        # A part that was cut short has the next boundary inside of what it states as its length.
        stop = len(self._buffer) if stated is None else begin + stated
        found = self._buffer.find(self._boundary, max(begin, self._searched), stop)
        if found < 0:
            self._searched = max(begin, len(self._buffer) - len(self._boundary))
            if stated is None or len(self._buffer) < stop:
                return None
            end = rest = stop
        else:
            end = rest = found
        part = bytes(self._buffer[begin:end])
        del self._buffer[:rest]
        self._searched = 0
        return part


def _is_whole(data: bytes) -> bool:
    return data.startswith(b"\xff\xd8") and data.rstrip(b"\0\r\n").endswith(b"\xff\xd9")
