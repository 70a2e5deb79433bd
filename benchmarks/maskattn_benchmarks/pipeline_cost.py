"""What the pipeline costs, and whether it keeps its promises, with frames that lie in memory.

Run as `python -m maskattn_benchmarks.pipeline_cost [PART...]`; parts:

cost      time and processor time of a frame, in a bare loop and in the pipeline, in turns
camera    a camera of 30 frames/s: frame to labels, frame age
overload  a source at 4 times the engine's rate: frame age against two periods and one frame
memory    100,000 frames: growth of resident memory
start     `maskattn-edge run` in a new process: start to first result, resident memory

All parts take one to two minutes, and end with a table of what is promised and what was found.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from itertools import cycle, islice
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from maskattn_benchmarks.disturbance import warnings_during
from maskattn_benchmarks.harness import NullEngine
from maskattn_benchmarks.machine import machine_state
from maskattn_benchmarks.promises import promise_table
from maskattn_benchmarks.run_process import measure_run
from maskattn_benchmarks.stand_ins import MemorySource, NullSink, SleepingEngine, camera_images
from maskattn_edge.contract.atomic import write_text
from maskattn_edge.contract.errors import MaskAttnError
from maskattn_edge.contract.model_file import ModelFile, read_model_file
from maskattn_edge.engines import CHOICES, Engine, open_engine
from maskattn_edge.frame import Frame
from maskattn_edge.models import default_model
from maskattn_edge.pipeline import Pipeline, Settings, Summary
from maskattn_edge.pipeline.memory import resident_memory_mb
from maskattn_edge.segmenter import segment

Images = Sequence[NDArray[np.uint8]]
PARTS = ("cost", "camera", "overload", "start", "memory")

_ROUNDS = 10
_SETTLED = 0.1  # of the frames: caches and buffers have their size, growth counts from here


@dataclass(frozen=True, kw_only=True)
class Cost:
    """Milliseconds a frame: medians over rounds, each round a loop and then a pipeline."""

    engine: str
    loop_ms: float
    pipeline_ms: float
    loop_cpu_ms: float
    pipeline_cpu_ms: float
    share: float
    cpu_share: float

    def __str__(self) -> str:
        """Both, and the difference."""
        return (
            f"bare loop {self.loop_ms:.2f} ms a frame ({self.loop_cpu_ms:.2f} ms of processor), "
            f"pipeline {self.pipeline_ms:.2f} ms ({self.pipeline_cpu_ms:.2f} ms): "
            f"{self.share:+.1%} ({self.cpu_share:+.1%}), {self.engine}"
        )


def pipeline_cost(engine: Engine, images: Images, *, frames: int, rounds: int = _ROUNDS) -> Cost:
    """Compare a bare loop with the pipeline on the same frames.

    Args:
        engine: both use it, in turns, so that what disturbs one disturbs the other.
        images: frames, taken over and over.
        frames: of each in each round.
        rounds: the median counts.
    """

    def loop() -> None:
        for index in range(frames):
            frame = Frame(image_bgr=images[index % len(images)], captured=0.0, index=index)
            segment(engine, frame)

    def pipeline() -> None:
        settings = Settings(warmup_frames=0)
        Pipeline(MemorySource(images, frames), engine, [NullSink()], settings).run()

    loop()  # a warm-up
    bare, whole = zip(*((_timed(loop), _timed(pipeline)) for _ in range(rounds)), strict=True)
    loop_ms, loop_cpu_ms = np.median(bare, axis=0) * 1e3 / frames
    pipeline_ms, pipeline_cpu_ms = np.median(whole, axis=0) * 1e3 / frames
    share, cpu_share = np.median(np.array(whole) / np.array(bare), axis=0) - 1
    return Cost(
        engine=engine.name,
        loop_ms=float(loop_ms),
        pipeline_ms=float(pipeline_ms),
        loop_cpu_ms=float(loop_cpu_ms),
        pipeline_cpu_ms=float(pipeline_cpu_ms),
        share=float(share),
        cpu_share=float(cpu_share),
    )


def _timed(work: Callable[[], object]) -> tuple[float, float]:
    """Seconds by the clock, and of processor time."""
    wall, cpu = time.perf_counter(), time.process_time()
    work()
    return time.perf_counter() - wall, time.process_time() - cpu


def camera(engine: Engine, images: Images, *, frames: int, fps: float = 30.0) -> Summary:
    """A camera that the engine can follow."""
    return Pipeline(MemorySource(images, frames, fps=fps), engine, [NullSink()]).run()


@dataclass(frozen=True, kw_only=True)
class Overload:
    """Frame age under a source at 4 times the engine's rate, milliseconds."""

    engine: str
    period_ms: float
    frame_ms: float
    engine_p99_ms: float
    age_p50_ms: float
    age_p99_ms: float
    limit_ms: float
    captured: int
    processed: int

    def __str__(self) -> str:
        """The age and its limit."""
        verdict = "within" if self.age_p99_ms <= self.limit_ms else "ABOVE"
        return (
            f"a frame every {self.frame_ms:.2f} ms, the engine takes {self.period_ms:.2f} ms (p99 "
            f"under this load {self.engine_p99_ms:.2f}): age p50 {self.age_p50_ms:.2f}, "
            f"p99 {self.age_p99_ms:.2f} ms, {verdict} two periods and one frame "
            f"({self.limit_ms:.2f} ms); {self.processed} of {self.captured} frames, one every "
            f"{self.result_ms:.2f} ms: two of these and a frame are "
            f"{2 * self.result_ms + self.frame_ms:.2f} ms; {self.engine}"
        )

    @property
    def result_ms(self) -> float:
        """From one result to the next under this load, which takes its share of the cores."""
        return self.frame_ms * self.captured / max(self.processed, 1)


def overload(engine: Engine, images: Images, *, frames: int) -> Overload:
    """Run a source at 4 times the engine's rate.

    The engine's period is taken alone before and after, so that a machine whose speed drifts is
    held to neither end: the median of both sets the limit, that of the first the source's rate.
    """
    before = _alone(engine, images)
    frame_s = float(np.median(before)) / 4
    source = MemorySource(images, frames, fps=1 / frame_s)
    summary = Pipeline(source, engine, [NullSink()]).run()
    period_ms = float(np.median([*before, *_alone(engine, images)])) * 1e3
    return Overload(
        engine=engine.name,
        period_ms=period_ms,
        frame_ms=frame_s * 1e3,
        engine_p99_ms=summary.engine_ms.p99,
        age_p50_ms=summary.age_ms.p50,
        age_p99_ms=summary.age_ms.p99,
        limit_ms=2 * period_ms + frame_s * 1e3,
        captured=summary.captured,
        processed=summary.processed,
    )


def _alone(engine: Engine, images: Images) -> list[float]:
    """Seconds of each of a hundred frames, one after the other, without a pipeline."""
    frames = [Frame(image_bgr=image, captured=0.0, index=0) for image in images]
    return [_timed(partial(segment, engine, frame))[0] for frame in islice(cycle(frames), 120)][20:]


def memory_growth(engine: Engine, images: Images, *, frames: int) -> tuple[float, float]:
    """Resident memory, MiB, after a tenth of the frames and after all of them."""
    settled: list[float] = []

    class Watching(NullSink):
        def write(self, frame: Frame, segmentation: object) -> None:
            if frame.index == int(frames * _SETTLED):
                settled.append(resident_memory_mb()[0])

    summary = Pipeline(MemorySource(images, frames), engine, [Watching()]).run()
    assert summary.processed == frames
    return settled[0], resident_memory_mb()[0]


def main(arguments: list[str] | None = None) -> int:
    """Measure the named parts and print a line each."""
    chosen = _parser().parse_args(arguments)
    try:
        file = read_model_file(chosen.model or default_model())
        results = {part: _part(part, file, chosen) for part in chosen.parts or PARTS}
        if not chosen.parts:
            print("\n" + promise_table(results, device=_device(file, chosen)))
        if chosen.json is not None:
            write_text(chosen.json, json.dumps(results, indent=2) + "\n")
    except (MaskAttnError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return getattr(error, "exit_code", 1)
    return 0


def _part(part: str, file: ModelFile, chosen: argparse.Namespace) -> dict[str, object]:
    """Measure one part, print its line, and give its figures."""
    if part == "start":
        return _start(file, chosen)
    if part == "memory":
        images = camera_images(height=48, width=64)
        before, after = memory_growth(NullEngine(file), images, frames=chosen.memory_frames)
        _say(part, f"{before:.1f} MiB, then {after:.1f} MiB after {chosen.memory_frames:,} frames")
        return {"settled_mib": before, "end_mib": after, "frames": chosen.memory_frames}
    with _engine(file, chosen) as engine:
        state = machine_state()
        found = _timed_part(part, engine, camera_images(), chosen.frames)
        for warning in warnings_during(state, machine_state()):
            _say("", warning)
    return found


def _timed_part(part: str, engine: Engine, images: Images, frames: int) -> dict[str, object]:
    if part == "camera":
        return _camera(engine, images, 3 * frames)
    measured: Cost | Overload = (
        pipeline_cost(engine, images, frames=frames)
        if part == "cost"
        else overload(engine, images, frames=4 * frames)
    )
    _say(part, str(measured))
    return asdict(measured)


def _engine(file: ModelFile, chosen: argparse.Namespace) -> Engine:
    if chosen.engine == "sleeping":
        return SleepingEngine(file, chosen.period_ms / 1e3)
    return open_engine(file, backend=chosen.engine, threads=chosen.threads)


def _camera(engine: Engine, images: Images, frames: int) -> dict[str, object]:
    result = camera(engine, images, frames=frames)
    latency, age = result.latency_ms, result.age_ms
    _say(
        "camera",
        f"frame to labels p50 {latency.p50:.2f}, p90 {latency.p90:.2f}, p99 {latency.p99:.2f} ms "
        f"(engine alone p50 {result.engine_ms.p50:.2f}); age p50 {age.p50:.2f}, p99 "
        f"{age.p99:.2f} ms; at most {result.memory_peak_mb:.0f} MiB, {engine.name}",
    )
    return result.as_dict()


def _start(file: ModelFile, chosen: argparse.Namespace) -> dict[str, object]:
    with _engine(file, chosen) as engine:
        name = engine.name
    images = camera_images()
    found = [measure_run(file.path, name, chosen.threads, images) for _ in range(5)]
    first_ms = float(np.median([one.first_ms for one in found]))
    peak_mib = max(one.peak_mib for one in found)
    _say(
        "start",
        f"{first_ms:.0f} ms to the first result (median of 5), at most {peak_mib:.0f} MiB, {name}",
    )
    return {"first_result_ms": first_ms, "peak_mib": peak_mib, "engine": name}


def _device(file: ModelFile, chosen: argparse.Namespace) -> str:
    with _engine(file, chosen) as engine:
        return f"{engine.name} on {engine.device}"


def _say(part: str, line: str) -> None:
    print(f"{part:<9} {line}", flush=True)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("parts", nargs="*", choices=[*PARTS, []], help="all if none is named")
    parser.add_argument("--model", type=Path, help="model file; the shipped one if not given")
    parser.add_argument("--engine", default="auto", choices=[*CHOICES, "sleeping"])
    parser.add_argument("--period-ms", type=float, default=20.0, help="of the engine sleeping")
    parser.add_argument("--threads", type=int, help="CPU threads for one frame; all if not given")
    parser.add_argument("--frames", type=int, default=300, help="of each measurement")
    parser.add_argument("--memory-frames", type=int, default=100_000)
    parser.add_argument("--json", type=Path, help="file to write the figures to")
    return parser


if __name__ == "__main__":
    sys.exit(main())
