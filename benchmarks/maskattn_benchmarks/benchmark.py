"""A whole benchmark: candidates one after the other or in turn, and everything around the frames.

The results file is written again after each step, between blocks of frames and never within one:
a run that is killed leaves what was measured, marked incomplete.
"""

from __future__ import annotations

import tempfile
import time
import uuid
from collections.abc import Callable
from contextlib import ExitStack
from datetime import datetime, timezone
from pathlib import Path

import msgspec
import numpy as np

from maskattn_benchmarks import accuracy
from maskattn_benchmarks.candidate import Candidate, model_names
from maskattn_benchmarks.conditions import machine_facts
from maskattn_benchmarks.disturbance import (
    load_at_rest,
    unsteady,
    warnings_before,
    warnings_during,
)
from maskattn_benchmarks.energy import open_meters
from maskattn_benchmarks.frames import camera_frames
from maskattn_benchmarks.harness import NullEngine, Stopwatch
from maskattn_benchmarks.loadgen import SCENARIOS, run_loadgen
from maskattn_benchmarks.machine import MachineState, machine_state
from maskattn_benchmarks.nvml import open_nvml, used_mib
from maskattn_benchmarks.peers.table import check_engines, scoring_engine
from maskattn_benchmarks.process import measure_process
from maskattn_benchmarks.results import Conditions, Figure, Report, RobotRun, Run, write_results
from maskattn_benchmarks.robot import drive
from maskattn_benchmarks.settings import BenchmarkSettings, recorded
from maskattn_edge._version import __version__
from maskattn_edge.contract.errors import MaskAttnError, UsageError
from maskattn_edge.contract.model_file import read_model_file
from maskattn_edge.latency import LatencySettings

NULL_FRAMES = 500
SAVE_EVERY_S = 5.0


def benchmark(
    models: list[Path],
    engines: list[str],
    settings: BenchmarkSettings,
    *,
    results: Path | None = None,
    on_step: Callable[[str], None] = lambda _: None,
    on_end: Callable[[Report], None] = lambda _: None,
) -> Report:
    """Measure each model on each engine.

    Args:
        models: files; one that fails is a run with a reason.
        engines: names of back ends.
        settings: how.
        results: file that is written after each step, or None.
        on_step: told what happens next.
        on_end: given the report at the end, also where an interrupt or an error is the end: it
            is incomplete then.

    Raises:
        UsageError: no model, an unknown engine, or two candidates of the same name.
        SourceError: there are no frames.
    """
    check_engines(engines)
    candidates = [
        Candidate(model, engine, called=name)
        for model, name in zip(models, model_names(models), strict=True)
        for engine in engines
    ]
    return benchmark_candidates(
        candidates, settings, results=results, on_step=on_step, on_end=on_end
    )


def benchmark_candidates(
    candidates: list[Candidate],
    settings: BenchmarkSettings,
    *,
    results: Path | None = None,
    on_step: Callable[[str], None] = lambda _: None,
    on_end: Callable[[Report], None] = lambda _: None,
) -> Report:
    """Measure candidates that were chosen one by one; arguments and errors as `benchmark`."""
    _check(candidates)
    frames = camera_frames(settings.source, settings.frames)
    return _Session(candidates, frames, settings, results, on_step, on_end).conduct()


def _check(candidates: list[Candidate]) -> None:
    if not candidates:
        raise UsageError("a benchmark needs at least one model and one engine")
    names = [candidate.name for candidate in candidates]
    twice = {name for name in names if names.count(name) > 1}
    if twice:
        raise UsageError(
            f"two candidates are called {min(twice)}: name a file and an engine once, or rename one"
        )


class _Session:
    """The state of one benchmark while it goes on."""

    def __init__(
        self,
        candidates: list[Candidate],
        frames: tuple[list[bytes], int, int],
        settings: BenchmarkSettings,
        results: Path | None,
        on_step: Callable[[str], None],
        on_end: Callable[[Report], None],
    ) -> None:
        self._candidates, self._settings, self._results = candidates, settings, results
        self._frames, height, width = frames
        self._say, self._on_end = on_step, on_end
        self._nvml, self._nvml_note = open_nvml()
        self._meters, lacking = open_meters(self._nvml, self._nvml_note)
        self._origin, self._saved = time.perf_counter(), time.monotonic()
        self._states: list[MachineState] = []
        self._report = Report(
            session=uuid.uuid4().hex,
            started=datetime.now(timezone.utc).isoformat(timespec="seconds"),
            version=__version__,
            complete=False,
            settings=recorded(settings, len(self._frames), height, width),
            conditions=Conditions(facts=machine_facts(self._nvml)),
            unmeasured=tuple(lacking),
            runs=tuple(candidate.run() for candidate in candidates),
        )

    def conduct(self) -> Report:
        """Everything, in the order: conditions, null engine, frames, processes, accuracy."""
        try:
            self._look_around()
            self._time_harness()
            self._save()
            self._time_frames()
            self._measure_processes()
            self._score()
            self._generate_load()
            self._drive()
            self._update(complete=True)
        finally:
            for meter in self._meters:
                meter.close()
            self._collect()
            self._save()
            self._on_end(self._report)
        return self._report

    def _look_around(self) -> None:
        self._say("watching the machine at rest")
        governor = self._report.conditions.facts["CPU governor"]
        self._warn(warnings_before(governor, load_at_rest()))

    def _time_harness(self) -> None:
        """With the first model that can be read: its input's size is all that matters."""
        self._say("null engine: the cost of measuring")
        for candidate in self._candidates:
            try:
                file = read_model_file(candidate.model)
            except MaskAttnError:
                continue
            latency = LatencySettings(warmup_frames=20, min_frames=NULL_FRAMES, min_seconds=0)
            with NullEngine(file) as engine:
                watch = Stopwatch(engine, self._frames, latency)
                watch.warm_up()
                while not watch.done:
                    watch.take(0, self._settings.block_frames)
            steady = watch.steady.samples()
            run = Run(name="null", model=file.path.name, engine="null", steady=steady)
            self._update(harness=msgspec.structs.replace(run, complete=True))
            return

    def _time_frames(self) -> None:
        groups = (
            [self._candidates] if self._settings.interleave else [[c] for c in self._candidates]
        )
        for group in groups:
            with ExitStack() as stack:
                for candidate in group:
                    self._say(f"{candidate.name}: loading and warming up")
                    candidate.open(stack, self._frames, self._settings, self._origin)
                self._say(f"{', '.join(c.name for c in group)}: timing frames")
                try:
                    self._rounds(group)
                finally:
                    self._collect()
            self._collect()
            self._save()

    def _rounds(self, group: list[Candidate]) -> None:
        rng = np.random.default_rng(self._settings.seed)
        before, busy = machine_state(), sum(candidate.cpu_s for candidate in group)
        block = 0
        while any(candidate.running for candidate in group):
            for index in rng.permutation(len(group)):
                group[index].take(block, self._meters)
            block += 1
            if time.monotonic() - self._saved > SAVE_EVERY_S:
                self._collect()
                self._save()
        after = machine_state()
        own_s = sum(candidate.cpu_s for candidate in group) - busy
        spoiled = warnings_during(before, after, children_s=own_s)
        self._warn(spoiled)
        for candidate in group:
            drift = unsteady(candidate.run())
            self._warn(drift)
            candidate.disturbed = bool(spoiled or drift)
        self._states += [before, after]
        first, last = self._states[0].described(), after.described()
        conditions = msgspec.structs.replace(self._report.conditions, before=first, after=last)
        self._update(conditions=conditions)

    def _measure_processes(self) -> None:
        for number in range(self._settings.starts):
            for candidate in self._candidates:
                if not candidate.usable:
                    continue
                self._say(f"{candidate.name}: start {number + 1} of a process")
                try:
                    self._measure_process(candidate)
                except MaskAttnError as error:
                    candidate.startup_note = f"not measured: {error}"[:4000]
        self._collect()
        self._save()

    def _measure_process(self, candidate: Candidate) -> None:
        before = used_mib(self._nvml)
        found = measure_process(
            candidate.model,
            candidate.engine,
            self._settings.threads,
            timeout_s=self._settings.timeout_s,
        )
        candidate.startup.append(found.startup)
        candidate.memory = found.memory
        if before is None or found.gpu_used_mib is None:
            reason = self._nvml_note or "NVML does not tell the memory in use"
            candidate.gpu_memory_mib = Figure(note=f"not measured: {reason}"[:4000])
        else:
            candidate.gpu_memory_mib = Figure(value=max(0.0, found.gpu_used_mib - before))

    def _score(self) -> None:
        if self._settings.data is None:
            return
        for candidate in self._candidates:
            if not candidate.usable and not candidate.random:
                candidate.accuracy_note = "not measured: it did not run"
        scored = [c for c in self._candidates if c.usable and not c.random]
        for model, engine in dict.fromkeys((c.model, scoring_engine(c.engine)) for c in scored):
            self._say(f"{model.name}: scoring on {self._settings.data.name}")
            same = [c for c in scored if (c.model, scoring_engine(c.engine)) == (model, engine)]
            try:
                scores = accuracy.evaluate(
                    model,
                    self._settings.data,
                    split=self._settings.split,
                    engine=engine,
                    limit=self._settings.limit,
                )
                for candidate in same:
                    candidate.accuracy, candidate.accuracy_note = scores, ""
            except MaskAttnError as error:
                for candidate in same:
                    candidate.accuracy_note = f"not measured: {error}"[:4000]
            self._collect()
            self._save()

    def _generate_load(self) -> None:
        """MLPerf LoadGen, whose logs lie beside the results."""
        if self._settings.loadgen is None:
            return
        beside = self._results.parent if self._results is not None else Path(tempfile.mkdtemp())
        for candidate in self._candidates:
            for scenario in SCENARIOS if candidate.usable else ():
                self._say(f"{candidate.name}: LoadGen, {scenario}")
                found = run_loadgen(
                    candidate.model,
                    candidate.engine,
                    scenario,
                    beside / "loadgen" / candidate.name.replace("/", "-") / scenario,
                    self._settings.loadgen,
                    source=self._settings.source,
                    threads=self._settings.threads,
                    timeout_s=self._settings.timeout_s,
                )
                candidate.loadgen.append(found)
                self._collect()
                self._save()

    def _drive(self) -> None:
        """The whole loop of each candidate, one after the other."""
        if self._settings.robot is None:
            return
        for candidate in self._candidates:
            if not candidate.usable:
                continue
            self._say(f"{candidate.name}: the robot's loop, {self._settings.robot.seconds:g} s")
            done = self._report.robot

            def keep(run: RobotRun, done: tuple[RobotRun, ...] = done) -> None:
                self._update(robot=(*done, run))
                if time.monotonic() - self._saved > SAVE_EVERY_S:
                    self._save()

            keep(
                drive(
                    candidate.name,
                    candidate.model,
                    candidate.engine,
                    self._settings.robot,
                    threads=self._settings.threads,
                    nvml=self._nvml,
                    on_tick=keep,
                )
            )
            self._save()

    def _warn(self, sentences: list[str]) -> None:
        self._update(warnings=tuple(dict.fromkeys((*sentences, *self._report.warnings))))

    def _collect(self) -> None:
        self._update(runs=tuple(candidate.run() for candidate in self._candidates))

    def _update(self, **changes: object) -> None:
        self._report = msgspec.structs.replace(self._report, **changes)

    def _save(self) -> None:
        if self._results is not None:
            write_results(self._results, self._report)
        self._saved = time.monotonic()
