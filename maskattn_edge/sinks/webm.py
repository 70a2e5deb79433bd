"""WebM from OpenCV alone: VP8 key frames, encoded as WebP pictures and put into Matroska.

A lossy WebP picture is one VP8 key frame in a RIFF wrapper, and a VP8 track takes key frames of
any origin. Against OpenCV's own VP8 encoder, which has no fast mode, that costs half the time,
uses all cores, seeks to any frame, and keeps the time at which each frame was taken.

Sources: RFC 8794 (EBML), RFC 9559 (Matroska), webmproject.org/docs/container, and the WebP
container specification, developers.google.com/speed/webp/docs/riff_container.
"""

from __future__ import annotations

import os
import struct
from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor
from typing import BinaryIO

import cv2
import numpy as np
from numpy.typing import NDArray

from maskattn_edge.contract.errors import SinkError

_QUALITY = 75
_CLUSTER_MS = 1000  # what a seek may land beside; a block's own time has 16 bits
_SEEK_HEAD_BYTES = 120
_UNKNOWN_SIZE = 0x00FF_FFFF_FFFF_FFFF
_MAX_WORKERS = 4


class WebmWriter:
    """Writes a WebM or Matroska file that is playable after every frame.

    Until `close`, lengths in the file are "unknown", which players read up to the last whole
    frame: a file whose writer was killed is a video. `close` adds the duration and an index.

    Args:
        file: open for writing, seekable, empty; the caller closes it.
        size: (height, width) of all pictures.
        doctype: "webm" or "matroska".

    Raises:
        SinkError: this OpenCV cannot encode WebP.
        OSError: the file cannot be written.
    """

    def __init__(self, file: BinaryIO, *, size: tuple[int, int], doctype: str) -> None:
        if not cv2.haveImageWriter("a.webp"):
            raise SinkError(
                "this OpenCV cannot encode video for browsers (it was built without WebP): "
                "pip install opencv-python-headless"
            )
        self._file = file
        workers = min(_MAX_WORKERS, os.cpu_count() or 1)
        self._pool = ThreadPoolExecutor(workers, thread_name_prefix="video encoder")
        self._waiting: deque[tuple[int, Future[bytes]]] = deque()
        self._ahead = workers
        self._cluster_at = self._cluster_ms = -1
        self._cues: list[tuple[int, int]] = []
        self._last_ms, self._step_ms = 0, 40
        self._write_head(size, doctype)

    def write(self, picture: NDArray[np.uint8], time_ms: int) -> None:
        """Encode one picture, (H, W, 3) uint8 BGR, shown from `time_ms` on, which only grows."""
        self._waiting.append((time_ms, self._pool.submit(key_frame, picture)))
        while len(self._waiting) > self._ahead:
            self._write_oldest()

    def close(self) -> None:
        """Write what waits, the index and the duration."""
        try:
            while self._waiting:
                self._write_oldest()
        finally:
            self._pool.shutdown(cancel_futures=True)
        self._end_cluster()
        self._write_index()
        self._file.flush()

    def abandon(self) -> None:
        """End the threads; the file is of no use any more."""
        self._pool.shutdown(cancel_futures=True)

    def _write_head(self, size: tuple[int, int], doctype: str) -> None:
        head = element(
            0x1A45DFA3,
            number(0x4286, 1) + number(0x42F7, 1) + number(0x42F2, 4) + number(0x42F3, 8)
            + element(0x4282, doctype.encode()) + number(0x4287, 2) + number(0x4285, 2),
        )  # fmt: skip
        self._segment = len(head) + 12  # where positions count from
        self._info = _SEEK_HEAD_BYTES
        info = number(0x2AD7B1, 1_000_000) + _text(0x4D80) + _text(0x5741)
        self._duration_at = self._segment + self._info + 5 + len(info)
        info_element = b"\x15\x49\xa9\x66" + bytes([0x80 | len(info) + 11]) + info + _void(11)
        self._tracks = self._info + len(info_element)
        video = number(0xB0, size[1]) + number(0xBA, size[0])
        track = (
            number(0xD7, 1) + number(0x73C5, 1) + number(0x83, 1) + number(0x9C, 0)
            + element(0x86, b"V_VP8") + element(0xE0, video)
        )  # fmt: skip
        tracks = element(0x1654AE6B, element(0xAE, track))
        open_segment = b"\x18\x53\x80\x67" + _long_size(_UNKNOWN_SIZE)
        self._file.write(head + open_segment + _void(_SEEK_HEAD_BYTES) + info_element + tracks)
        self._file.flush()

    def _write_oldest(self) -> None:
        time_ms, encoded = self._waiting.popleft()
        data = encoded.result()
        if self._cluster_at < 0 or time_ms - self._cluster_ms >= _CLUSTER_MS:
            self._end_cluster()
            self._begin_cluster(time_ms)
        elif time_ms > self._last_ms:
            self._step_ms = time_ms - self._last_ms
        self._last_ms = time_ms
        block = struct.pack(">BhB", 0x81, time_ms - self._cluster_ms, 0x80) + data
        self._file.write(element(0xA3, block))
        self._file.flush()  # into the system's hands: it outlives a process that is killed

    def _begin_cluster(self, time_ms: int) -> None:
        self._cluster_at, self._cluster_ms = self._file.tell(), time_ms
        self._cues.append((time_ms, self._cluster_at - self._segment))
        self._file.write(b"\x1f\x43\xb6\x75" + _long_size(_UNKNOWN_SIZE) + number(0xE7, time_ms))

    def _end_cluster(self) -> None:
        if self._cluster_at >= 0:
            self._patch(self._cluster_at + 4, _long_size(self._file.tell() - self._cluster_at - 12))

    def _write_index(self) -> None:
        cues_at = self._file.tell() - self._segment
        points = (
            element(0xBB, number(0xB3, time_ms) + element(0xB7, number(0xF7, 1) + number(0xF1, at)))
            for time_ms, at in self._cues
        )
        self._file.write(element(0x1C53BB6B, b"".join(points)))
        seeks = ((0x1549A966, self._info), (0x1654AE6B, self._tracks), (0x1C53BB6B, cues_at))
        entries = b"".join(
            element(0x4DBB, element(0x53AB, key.to_bytes(4, "big")) + number(0x53AC, at))
            for key, at in seeks
        )
        seek_head = element(0x114D9B74, entries)
        seek_head += _void(_SEEK_HEAD_BYTES - len(seek_head))
        self._patch(self._segment, seek_head)
        duration = struct.pack(">d", float(self._last_ms + self._step_ms))
        self._patch(self._duration_at, b"\x44\x89\x88" + duration)
        self._patch(self._segment - 8, _long_size(self._file.tell() - self._segment))

    def _patch(self, position: int, data: bytes) -> None:
        end = self._file.tell()
        self._file.seek(position)
        self._file.write(data)
        self._file.seek(end)


def key_frame(picture: NDArray[np.uint8]) -> bytes:
    """The VP8 key frame of a picture, (H, W, 3) uint8 BGR.

    Raises:
        SinkError: OpenCV cannot encode it; a side is longer than 16383 pixels, for example.
    """
    try:
        done, encoded = cv2.imencode(".webp", picture, [cv2.IMWRITE_WEBP_QUALITY, _QUALITY])
    except cv2.error as error:
        raise SinkError(f"the picture cannot be encoded as VP8: {error.err}") from error
    data = encoded.tobytes() if done else b""
    position = 12  # after RIFF, length, WEBP
    while position + 8 <= len(data):
        length = int.from_bytes(data[position + 4 : position + 8], "little")
        if data[position : position + 4] == b"VP8 ":
            return data[position + 8 : position + 8 + length]
        position += 8 + length + length % 2
    raise SinkError("the picture cannot be encoded as VP8: OpenCV gave no lossy WebP")


def element(key: int, data: bytes) -> bytes:
    """One EBML element: ID, length, data."""
    return key.to_bytes((key.bit_length() + 7) // 8, "big") + _long_size(len(data)) + data


def number(key: int, value: int) -> bytes:
    """An element that holds an unsigned number."""
    data = value.to_bytes(max(1, (value.bit_length() + 7) // 8), "big")
    return key.to_bytes((key.bit_length() + 7) // 8, "big") + bytes([0x80 | len(data)]) + data


def _text(key: int) -> bytes:
    text = b"maskattn-edge"
    return key.to_bytes(2, "big") + bytes([0x80 | len(text)]) + text


def _long_size(length: int) -> bytes:
    """A length in 8 bytes, so that it can be filled in later."""
    return (1 << 56 | length).to_bytes(8, "big")


def _void(length: int) -> bytes:
    """Room of `length` bytes, at least 2 and at most 128, that readers skip."""
    return b"\xec" + bytes([0x80 | length - 2]) + bytes(length - 2)
