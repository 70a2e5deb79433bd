"""The result of a benchmark, JSON of schema 2: every raw sample, and all that it depends on.

A file is read as if a stranger wrote it: sizes are bounded, and nothing in it is executed.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated, Literal

import msgspec
import numpy as np
from numpy.typing import NDArray

from maskattn_edge.contract.atomic import write_bytes
from maskattn_edge.contract.errors import SinkError, UsageError
from maskattn_edge.contract.versioned_json import decode_versioned

SCHEMA = 2
"""Of the JSON; raised when a reader of the former one would go wrong. 2: GPU times, bounded runs,
activations, LoadGen and the robot's loop."""

MAX_REPORT_BYTES = 256 * 2**20

_Short = Annotated[str, msgspec.Meta(max_length=256)]
_Text = Annotated[str, msgspec.Meta(max_length=4096)]
_Number = Annotated[float, msgspec.Meta(ge=0, le=1e12)]
_Count = Annotated[int, msgspec.Meta(ge=0, le=10**9)]
_Texts = Annotated[tuple[_Text, ...], msgspec.Meta(max_length=256)]
_Column = Annotated[tuple[_Number, ...], msgspec.Meta(max_length=10**7)]

Metric = Literal["engine", "host_to_host", "frame_to_labels"]
METRICS: tuple[Metric, ...] = ("engine", "host_to_host", "frame_to_labels")


class Samples(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Milliseconds of each frame at each stage, one entry per frame in every column.

    `decode` is from a camera's JPEG to pixels, `scale` from there to the network's input, `engine`
    from the input to labels on its grid, `enlarge` to labels of the frame's size. `at` is the
    start of the frame in seconds of the run, `block` counts blocks of frames without a pause.
    `gpu` is the part of `engine` that a GPU's own clock tells, copies included; empty where the
    engine does not offer it.
    """

    at: _Column = ()
    block: Annotated[tuple[_Count, ...], msgspec.Meta(max_length=10**7)] = ()
    decode: _Column = ()
    scale: _Column = ()
    engine: _Column = ()
    enlarge: _Column = ()
    gpu: _Column = ()

    def __post_init__(self) -> None:
        columns = (self.block, self.decode, self.scale, self.engine, self.enlarge)
        if any(len(column) != len(self.at) for column in columns):
            raise ValueError("the columns of samples differ in length")
        if len(self.gpu) not in (0, len(self.at)):
            raise ValueError("the GPU's times differ in length from the other columns")

    def __len__(self) -> int:
        return len(self.at)

    def of(self, metric: Metric) -> NDArray[np.float64]:
        """(frames,) milliseconds: of the engine, from frame to grid labels, or from JPEG to all."""
        total = np.array(self.engine, np.float64)
        if metric != "engine":
            total = total + np.array(self.scale, np.float64)
        if metric == "frame_to_labels":
            total = total + np.array(self.decode, np.float64) + np.array(self.enlarge, np.float64)
        return total

    @property
    def blocks(self) -> NDArray[np.int64]:
        """(frames,) number of each frame's block."""
        return np.array(self.block, np.int64)


class StartUp(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One start of a process, in milliseconds: from its creation to the first labels, and parts."""

    total: _Number
    imports: _Number
    load: _Number
    first: _Number


class Memory(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Resident memory of a process of its own, MiB: before loading, at work, and its peak."""

    before: _Number
    resident: _Number
    peak: _Number


class Figure(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A quantity that some machines do not tell: `value` is None then, and `note` says why."""

    value: float | None = None
    note: _Text = ""


class Energy(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Energy during the timed frames; it includes what the part draws when idle."""

    meter: _Short
    joules: _Number
    seconds: _Number
    frames: _Count

    @property
    def per_frame_mj(self) -> float | None:
        """Millijoules per frame; None without frames."""
        return 1e3 * self.joules / self.frames if self.frames else None

    @property
    def watts(self) -> float | None:
        """Mean power; None without time."""
        return self.joules / self.seconds if self.seconds else None


class ClassScore(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """IoU of one class on the grid and at full size, fractions; None where it does not occur."""

    name: _Short
    grid_iou: float | None
    full_iou: float | None


class Accuracy(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Scores of `maskattn-edge evaluate`, fractions by name, and what computed the labels."""

    dataset: _Short
    split: _Short
    images: _Count
    runs_on: _Short
    grid: Annotated[dict[_Short, float | None], msgspec.Meta(max_length=64)]
    full: Annotated[dict[_Short, float | None], msgspec.Meta(max_length=64)]
    classes: Annotated[tuple[ClassScore, ...], msgspec.Meta(max_length=256)]


class LoadGenResult(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What MLPerf LoadGen's own summary says of one scenario.

    `valid` is its verdict; `figures` are its numbers by its names, times in nanoseconds; `logs`
    is the folder of its logs, relative to the report's. A scenario that failed says why.
    """

    scenario: Literal["SingleStream", "Offline"]
    valid: bool = False
    figures: Annotated[dict[_Short, float], msgspec.Meta(max_length=64)] = {}
    version: _Short = ""
    logs: _Text = ""
    failure: _Text = ""


class Run(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One model on one engine. A run that failed says why and keeps what it measured before.

    `not_run` says why it was left out on purpose, which is no failure; `disturbed` that a warning
    was given of the time in which its frames were taken; `bounded` that its time was up before
    it had the frames that were asked for.
    """

    name: _Short
    model: _Text
    engine: _Short
    sha256: _Short = ""
    file_bytes: _Count = 0
    precision: _Short = ""
    task: _Short = ""
    input: _Short = ""
    device: _Short = ""
    failure: _Text = ""
    not_run: _Text = ""
    complete: bool = False
    disturbed: bool = False
    bounded: bool = False
    warmup: Samples = Samples()
    steady: Samples = Samples()
    startup: Annotated[tuple[StartUp, ...], msgspec.Meta(max_length=100)] = ()
    startup_note: _Text = ""
    memory: Memory | None = None
    gpu_memory_mib: Figure = Figure(note="not measured")
    activations_mib: Figure = Figure(note="not measured")
    energy: Annotated[tuple[Energy, ...], msgspec.Meta(max_length=16)] = ()
    accuracy: Accuracy | None = None
    accuracy_note: _Text = "not measured: no data set was given"
    loadgen: Annotated[tuple[LoadGenResult, ...], msgspec.Meta(max_length=8)] = ()
    pictures: Annotated[
        tuple[Annotated[bytes, msgspec.Meta(max_length=2**20)], ...], msgspec.Meta(max_length=8)
    ] = ()


class CameraRun(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One camera's loop: its frames, and of each delivered one when it came and how old it was.

    `at` is the capture in seconds since the robot's loop began; `age` is from capture to
    delivery and `latency` from taking the frame to its labels, both in milliseconds. Each frame
    that was `captured` within the loop was delivered or `dropped`, that is replaced by a newer one
    on its way; `missed` ones were sent by the camera while its reader was late, and never read.
    """

    source: _Text
    device: _Short = ""
    captured: _Count = 0
    dropped: _Count = 0
    missed: _Count = 0
    seconds: _Number = 0
    at: _Column = ()
    age: _Column = ()
    latency: _Column = ()
    failure: _Text = ""

    def __post_init__(self) -> None:
        if not len(self.at) == len(self.age) == len(self.latency):
            raise ValueError("the columns of a camera differ in length")


class Series(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Gauges of the machine over time, one entry per reading; None where one could not be read."""

    at: _Column = ()
    gauges: Annotated[
        dict[_Short, Annotated[tuple[float | None, ...], msgspec.Meta(max_length=10**6)]],
        msgspec.Meta(max_length=128),
    ] = {}

    def __post_init__(self) -> None:
        if any(len(column) != len(self.at) for column in self.gauges.values()):
            raise ValueError("the columns of a series differ in length")


class RobotRun(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The whole loop of one candidate: all cameras at once, beside `hogs` busy processes."""

    name: _Short
    hogs: _Count
    seconds: _Number
    complete: bool = False
    cameras: Annotated[tuple[CameraRun, ...], msgspec.Meta(max_length=16)] = ()
    series: Series = Series()


class Settings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How the samples were taken."""

    source: _Text
    frames: _Count
    height: _Count
    width: _Count
    warmup_frames: _Count
    min_frames: _Count
    min_seconds: _Number
    max_seconds: _Number | None = None
    block_frames: _Count
    block_seconds: _Number | None = None
    interleave: bool
    threads: _Count | None
    starts: _Count
    seed: _Count


class Conditions(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Facts of the machine by name, in the order in which they are shown."""

    facts: Annotated[dict[_Short, _Text], msgspec.Meta(max_length=128)]
    before: Annotated[dict[_Short, _Text], msgspec.Meta(max_length=128)] = {}
    after: Annotated[dict[_Short, _Text], msgspec.Meta(max_length=128)] = {}


class Report(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A whole benchmark. `session` is its random name; `harness` the null engine's run."""

    schema: Literal[2] = 2
    session: _Short
    started: _Short
    version: _Short
    complete: bool
    settings: Settings
    conditions: Conditions
    warnings: _Texts = ()
    unmeasured: _Texts = ()
    harness: Run | None = None
    runs: Annotated[tuple[Run, ...], msgspec.Meta(min_length=1, max_length=64)]
    robot: Annotated[tuple[RobotRun, ...], msgspec.Meta(max_length=64)] = ()


def write_results(path: Path, report: Report) -> None:
    """Write the JSON atomically, so that a killed run leaves the last whole state.

    Raises:
        SinkError: the folder cannot be written, or the disk is full.
    """
    try:
        write_bytes(path, msgspec.json.encode(report) + b"\n")
    except OSError as error:
        raise SinkError(f"{path}: cannot write the results: {error.strerror}") from error


def read_results(path: Path) -> Report:
    """Read results that a stranger may have written.

    Raises:
        UsageError: the file is missing, too large, no JSON, of another schema, or breaks a bound.
    """
    try:
        size = os.stat(path).st_size
        if size > MAX_REPORT_BYTES:
            raise UsageError(f"{path}: {size:,} bytes, results have at most {MAX_REPORT_BYTES:,}")
        data = path.read_bytes()
    except OSError as error:
        raise UsageError(f"{path}: cannot be read: {error.strerror}") from error
    return decode_results(data, path)


def decode_results(data: bytes, path: Path) -> Report:
    """The report in `data`; `path` is what messages name. Raises UsageError."""
    return decode_versioned(
        data,
        Report,
        schema=SCHEMA,
        error=UsageError,
        what=f"{path}: the report of a benchmark",
        remedy="run the benchmark again, or install the version that wrote the file",
    )
