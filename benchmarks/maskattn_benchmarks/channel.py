"""Messages between the benchmark and its candidates' processes: MessagePack, length first."""

from __future__ import annotations

import os
import select
import time
from typing import Any

import msgspec

from maskattn_benchmarks.results import Samples
from maskattn_edge.contract.errors import EngineError

_LENGTH_BYTES = 8
_CHUNK = 2**20


class Open(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """Load a model and take the warm-up; answered by `Opened`."""

    model: str
    engine: str
    threads: int | None
    frames: list[bytes]
    warmup_frames: int
    max_warmup_s: float
    started: float


class Take(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """Take a block of frames; answered by `Taken`."""

    block: int
    frames: int


class Opened(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """The engine is warm. `cpu_s` are the CPU seconds of the process so far."""

    device: str
    pictures: tuple[bytes, ...]
    warmup: Samples
    activation_bytes: int | None
    cpu_s: float


class Taken(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """The samples of one block, and the seconds that it took."""

    samples: Samples
    seconds: float
    cpu_s: float


class Failed(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """The engine or its model failed; nothing more will come."""

    reason: str


_DECODER: msgspec.msgpack.Decoder[Any] = msgspec.msgpack.Decoder(
    Open | Take | Opened | Taken | Failed
)


class Channel:
    """Two file descriptors, one to read from and one to write to; closed with `close`."""

    def __init__(self, reading: int, writing: int) -> None:
        self._reading, self._writing = reading, writing

    def send(self, message: msgspec.Struct) -> None:
        """Write one message.

        Raises:
            EngineError: the other side is gone.
        """
        data = msgspec.msgpack.encode(message)
        rest = memoryview(len(data).to_bytes(_LENGTH_BYTES, "big") + data)
        try:
            while rest:
                rest = rest[os.write(self._writing, rest) :]
        except BrokenPipeError as error:
            raise EngineError("the process is gone") from error

    def receive(self, timeout_s: float | None = None) -> Any:  # noqa: ANN401 - see the types above
        """The next message.

        Raises:
            EOFError: the other side has closed.
            TimeoutError: no whole message came in time.
        """
        end = None if timeout_s is None else time.monotonic() + timeout_s
        size = int.from_bytes(self._exactly(_LENGTH_BYTES, end), "big")
        return _DECODER.decode(self._exactly(size, end))

    def close(self) -> None:
        """Close both; the other side reads the end."""
        for number in (self._reading, self._writing):
            os.close(number)

    def _exactly(self, size: int, end: float | None) -> bytes:
        parts = bytearray()
        while len(parts) < size:
            left = None if end is None else max(0.0, end - time.monotonic())
            if not select.select([self._reading], [], [], left)[0]:
                raise TimeoutError
            part = os.read(self._reading, min(_CHUNK, size - len(parts)))
            if not part:
                raise EOFError
            parts += part
        return bytes(parts)
