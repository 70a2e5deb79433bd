"""What the building process is asked and what it tells: JSON lines, checked on both ends."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import msgspec

from maskattn_edge.engines.tensorrt.fingerprint import BuildOptions


@dataclass(frozen=True, kw_only=True)
class BuildRequest:
    """One build. The model's bytes travel with it: they were validated, a path may have changed.

    Args:
        onnx: the model file's bytes.
        options: for the builder.
        plan: file to write the plan to.
        timing: the builder's timings of former builds.
    """

    onnx: bytes
    options: BuildOptions
    plan: str
    timing: bytes = b""


@dataclass(frozen=True, kw_only=True)
class Built:
    """A build that came to its end: most memory of its process, and its timings."""

    peak_host_bytes: int
    timing: bytes
    log: tuple[str, ...] = ()


class Header(msgspec.Struct, frozen=True, kw_only=True):
    """The first line to the process; timings and model follow it as plain bytes."""

    options: BuildOptions
    plan: str
    timing_bytes: int
    onnx_bytes: int


class Step(msgspec.Struct, frozen=True, kw_only=True, tag="step"):
    """A phase of the builder went on."""

    phase: str
    done: int
    total: int


class Done(msgspec.Struct, frozen=True, kw_only=True, tag="done"):
    """The plan is written, and the timings beside it, with `.timing` after its name."""

    peak_host_bytes: int
    log: tuple[str, ...]


class Failed(msgspec.Struct, frozen=True, kw_only=True, tag="failed"):
    """There is no plan; why, in one line, and whose fault it is."""

    kind: Literal["ModelFileError", "MissingDependencyError", "EngineError"]
    message: str


Answer = Step | Done | Failed
"""One line from the process."""

encode = msgspec.json.encode


def decode_header(line: bytes) -> Header:
    """Raises ValueError (msgspec's) on anything else."""
    return msgspec.json.decode(line, type=Header)


def decode_answer(line: bytes) -> Answer:
    """Raises ValueError (msgspec's) on anything else."""
    return _ANSWERS.decode(line)


_ANSWERS: msgspec.json.Decoder[Answer] = msgspec.json.Decoder(Answer)
