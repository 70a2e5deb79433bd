"""One model on one engine, from loading to its row in the report."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

import msgspec
import numpy as np

from maskattn_benchmarks.energy import Meter
from maskattn_benchmarks.isolated import CandidateProcess
from maskattn_benchmarks.results import (
    Accuracy,
    Energy,
    Figure,
    LoadGenResult,
    Memory,
    Run,
    Samples,
    StartUp,
)
from maskattn_benchmarks.settings import BenchmarkSettings
from maskattn_edge.contract.errors import MaskAttnError
from maskattn_edge.contract.model_file import ModelFile, read_model_file
from maskattn_edge.contract.spec import RANDOM_WEIGHTS


class Candidate:
    """Holds what was measured so far. An error of its model or engine becomes `failure`.

    Args:
        model: the file.
        engine: a name of `peers.table.ENGINES`.
        called: what the report calls the model; its stem if not given.
        not_run: why this pair is a row without figures, which is no failure; empty to run it.
    """

    def __init__(
        self, model: Path, engine: str, *, called: str | None = None, not_run: str = ""
    ) -> None:
        self.model, self.engine = model, engine
        self.name = f"{called or model.stem}/{engine}"
        self.failure, self.not_run = "", not_run
        self.disturbed = False
        self.startup: list[StartUp] = []
        self.startup_note = ""
        self.memory: Memory | None = None
        self.gpu_memory_mib = Figure(note="not measured")
        self.accuracy: Accuracy | None = None
        self.accuracy_note = "not measured: no data set was given"
        self.loadgen: list[LoadGenResult] = []
        self._file: ModelFile | None = None
        self._process: CandidateProcess | None = None
        self._settings = BenchmarkSettings()
        self._block_frames = 1
        self._steady: list[Samples] = []
        self._frames, self._seconds = 0, 0.0
        self._energy: dict[str, tuple[float, float, int]] = {}

    @property
    def usable(self) -> bool:
        """Whether it is run, and has not failed so far."""
        return not self.failure and not self.not_run

    @property
    def met(self) -> bool:
        """Whether both minima of the timed part are."""
        latency = self._settings.latency
        return self._frames >= latency.min_frames and self._seconds >= latency.min_seconds

    @property
    def bounded(self) -> bool:
        """Whether time was up before that."""
        longest = self._settings.max_seconds
        return not self.met and longest is not None and self._seconds >= longest

    @property
    def running(self) -> bool:
        """Whether frames are still to be taken."""
        opened = self._process is not None and not self.failure
        return opened and not self.met and not self.bounded

    @property
    def cpu_s(self) -> float:
        """CPU seconds that its process has used."""
        return 0.0 if self._process is None else self._process.cpu_s

    @property
    def random(self) -> bool:
        """Whether its weights are random, so that its labels mean nothing."""
        return self._file is not None and self._file.spec.training.data == RANDOM_WEIGHTS

    def open(
        self, stack: ExitStack, frames: Sequence[bytes], settings: BenchmarkSettings, started: float
    ) -> None:
        """Load the model in a process that ends with `stack`, and take its warm-up."""
        self._settings = settings
        with self._failing():
            self._file = read_model_file(self.model)
            if self.random:
                self.accuracy_note = "not measured: its weights are random"
            if self.not_run:
                return
            process = CandidateProcess(self.model, self.engine, frames, settings, started)
            stack.callback(process.close)
            self._process = process
            self._block_frames = _block_frames(process.opened.warmup, settings)

    def take(self, block: int, meters: Sequence[Meter]) -> None:
        """Take a block of frames, and the energy that it used; nothing if it failed.

        Interleaved candidates all go on until the slowest is done, so that blocks stay paired.
        """
        if self._process is None or self.failure:
            return
        with self._failing():
            before = [meter.joules() for meter in meters]
            samples, seconds = self._process.take(block, self._block_frames)
            self._steady.append(samples)
            self._frames += len(samples)
            self._seconds += seconds
            for meter, start in zip(meters, before, strict=True):
                joules, time_s, count = self._energy.get(meter.name, (0.0, 0.0, 0))
                used = joules + meter.joules() - start
                self._energy[meter.name] = used, time_s + seconds, count + len(samples)

    def run(self) -> Run:
        """The row so far."""
        run = Run(
            name=self.name[:256],
            model=self.model.name,
            engine=self.engine,
            failure=self.failure,
            not_run=self.not_run[:4000],
            disturbed=self.disturbed,
            bounded=self.bounded,
            complete=not self.failure and (self.met or self.bounded),
            startup=tuple(self.startup),
            startup_note=self.startup_note,
            memory=self.memory,
            gpu_memory_mib=self.gpu_memory_mib,
            energy=self._energies(),
            accuracy=self.accuracy,
            accuracy_note=self.accuracy_note,
            loadgen=tuple(self.loadgen),
        )
        return self._with_samples(self._with_file(run))

    def _energies(self) -> tuple[Energy, ...]:
        return tuple(
            Energy(meter=name, joules=joules, seconds=seconds, frames=count)
            for name, (joules, seconds, count) in self._energy.items()
        )

    def _with_file(self, run: Run) -> Run:
        if self._file is None:
            return run
        spec = self._file.spec
        return msgspec.structs.replace(
            run,
            sha256=self._file.sha256,
            file_bytes=len(self._file.data),
            precision=spec.precision.name,
            task=spec.task,
            input=f"{spec.input.height}x{spec.input.width}, {spec.input.resize}",
        )

    def _with_samples(self, run: Run) -> Run:
        if self._process is None:
            return run
        opened = self._process.opened
        activations = Figure(note="not measured: the engine does not tell")
        if opened.activation_bytes is not None:
            activations = Figure(value=opened.activation_bytes / 2**20)
        return msgspec.structs.replace(
            run,
            device=opened.device,
            pictures=opened.pictures,
            warmup=opened.warmup,
            steady=joined(self._steady),
            activations_mib=activations,
        )

    @contextmanager
    def _failing(self) -> Iterator[None]:
        """Turn an error into `failure`: whatever an engine throws is a row, not the end."""
        try:
            yield
        except Exception as error:
            name = "" if isinstance(error, MaskAttnError) else f"{type(error).__name__}: "
            self.failure = (name + " ".join(str(error).split()))[:4000]


def model_names(models: Sequence[Path]) -> list[str]:
    """What a report calls model files: the stem, after the folders that tell equal stems apart.

    >>> model_names([Path("/runs/a/best.int8.onnx"), Path("/runs/b/best.int8.onnx")])
    ['a/best.int8', 'b/best.int8']
    >>> model_names([Path("a/best.onnx"), Path("a/best.int8.onnx")])
    ['best', 'best.int8']
    """
    ways = [model.resolve().with_suffix("").parts for model in models]
    names = []
    for way in ways:
        depth = 1
        while any(way != other and way[-depth:] == other[-depth:] for other in ways):
            depth += 1
        names.append("/".join(way[-depth:]))
    return names


def joined(parts: Sequence[Samples]) -> Samples:
    """The samples of several blocks, one after the other."""
    names = Samples.__struct_fields__
    return Samples(**{name: tuple(v for part in parts for v in getattr(part, name))
                      for name in names})  # fmt: skip


def _block_frames(warmup: Samples, settings: BenchmarkSettings) -> int:
    """Frames of a block: as many as are asked for, or as fit into its seconds."""
    if settings.block_seconds is None or not len(warmup):
        return settings.block_frames
    frame_s = float(np.median(warmup.of("frame_to_labels"))) / 1e3
    fitting = settings.block_seconds / frame_s if frame_s > 0 else settings.block_frames
    return max(1, min(settings.block_frames, int(fitting)))
