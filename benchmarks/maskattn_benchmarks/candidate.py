"""One model on one engine, from loading to its row in the report."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

import msgspec

from maskattn_benchmarks.energy import Meter
from maskattn_benchmarks.frames import prediction_pictures
from maskattn_benchmarks.harness import Stopwatch
from maskattn_benchmarks.results import Accuracy, Energy, Figure, Memory, Run, StartUp
from maskattn_benchmarks.settings import BenchmarkSettings
from maskattn_edge.contract.errors import MaskAttnError
from maskattn_edge.contract.model_file import ModelFile, read_model_file
from maskattn_edge.engines import open_engine


class Candidate:
    """Holds what was measured so far. An error of its model or engine becomes `failure`."""

    def __init__(self, model: Path, engine: str) -> None:
        self.model, self.engine = model, engine
        self.name = f"{model.stem}/{engine}"
        self.failure = ""
        self.disturbed = False
        self.startup: list[StartUp] = []
        self.startup_note = ""
        self.memory: Memory | None = None
        self.gpu_memory_mib = Figure(note="not measured")
        self.accuracy: Accuracy | None = None
        self.accuracy_note = "not measured: no data set was given"
        self._file: ModelFile | None = None
        self._device = ""
        self._watch: Stopwatch | None = None
        self._energy: dict[str, tuple[float, float, int]] = {}
        self._pictures: tuple[bytes, ...] = ()

    @property
    def running(self) -> bool:
        """Whether frames are still to be taken."""
        return self._watch is not None and not self.failure and not self._watch.done

    def open(
        self,
        stack: ExitStack,
        frames: Sequence[bytes],
        settings: BenchmarkSettings,
        started: float,
        clock: Callable[[], float],
    ) -> None:
        """Load the model into `stack`, and take its warm-up and its sample pictures."""
        with self._failing():
            self._file = read_model_file(self.model)
            engine = open_engine(self._file, backend=self.engine, threads=settings.threads)
            stack.enter_context(engine)
            self._device = engine.device
            self._pictures = prediction_pictures(engine, frames)
            watch = Stopwatch(engine, frames, settings.latency, started=started, clock=clock)
            self._watch = watch
            watch.warm_up()

    def take(self, block: int, frames: int, meters: Sequence[Meter]) -> None:
        """Take a block of frames, and the energy that it used; nothing if it is done or failed.

        Interleaved candidates all go on until the slowest is done, so that blocks stay paired.
        """
        if self._watch is None or self.failure:
            return
        with self._failing():
            before = [meter.joules() for meter in meters]
            seconds = self._watch.take(block, frames)
            for meter, start in zip(meters, before, strict=True):
                joules, time_s, count = self._energy.get(meter.name, (0.0, 0.0, 0))
                used = meter.joules() - start
                self._energy[meter.name] = joules + used, time_s + seconds, count + frames

    def run(self) -> Run:
        """The row so far."""
        run = Run(
            name=self.name[:256],
            model=self.model.name,
            engine=self.engine,
            device=self._device,
            failure=self.failure,
            disturbed=self.disturbed,
            complete=not self.failure and self._watch is not None and self._watch.done,
            startup=tuple(self.startup),
            startup_note=self.startup_note,
            memory=self.memory,
            gpu_memory_mib=self.gpu_memory_mib,
            energy=self._energies(),
            accuracy=self.accuracy,
            accuracy_note=self.accuracy_note,
            pictures=self._pictures,
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
        if self._watch is None:
            return run
        warmup, steady = self._watch.warmup.samples(), self._watch.steady.samples()
        return msgspec.structs.replace(run, warmup=warmup, steady=steady)

    @contextmanager
    def _failing(self) -> Iterator[None]:
        """Turn an error into `failure`: whatever an engine throws is a row, not the end."""
        try:
            yield
        except Exception as error:
            name = "" if isinstance(error, MaskAttnError) else f"{type(error).__name__}: "
            self.failure = (name + " ".join(str(error).split()))[:4000]
