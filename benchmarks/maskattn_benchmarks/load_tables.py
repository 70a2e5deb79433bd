"""Tables of what was measured under load: MLPerf LoadGen, and the robot's whole loop."""

from __future__ import annotations

import numpy as np

from maskattn_benchmarks.cells import NOT_MEASURED, Table, ms, percent
from maskattn_benchmarks.percentiles import distribution
from maskattn_benchmarks.results import CameraRun, LoadGenResult, Report, RobotRun, Series

_PERCENTILES = ("50.00", "90.00", "99.00")


def loadgen_table(report: Report) -> Table | None:
    """LoadGen's own figures; None where it did not run."""
    rows = [(run.name, *_loadgen_row(each)) for run in report.runs for each in run.loadgen]
    if not rows:
        return None
    headings = ("run", "scenario", "p50, ms", "p90, ms", "p99, ms", "samples/s", "LoadGen says",
                "logs")  # fmt: skip
    return Table(
        title="MLPerf LoadGen, engine alone",
        headings=headings,
        rows=tuple(rows),
        note="Latency is SingleStream's figure, samples/s Offline's. LoadGen's verdict is about "
        "the lengths that were set, shorter than a submission's. Its logs are beside the report.",
    )


def _loadgen_row(result: LoadGenResult) -> tuple[str, ...]:
    if result.failure:
        return (result.scenario, *[NOT_MEASURED] * 4, f"failed: {result.failure}", "")
    known = result.figures
    times = [known.get(f"{rank} percentile latency (ns)") for rank in _PERCENTILES]
    single = result.scenario == "SingleStream"
    told = [ms(ns / 1e6) if single and ns is not None else "" for ns in times]
    rate = known.get("QPS w/ loadgen overhead" if single else "Samples per second")
    verdict = "VALID" if result.valid else "INVALID"
    return (result.scenario, *told, "" if rate is None else f"{rate:.1f}", verdict, result.logs)


def robot_tables(report: Report) -> list[Table]:
    """The robot's loop: frames and their ages, and how both and the machine went over time."""
    if not report.robot:
        return []
    rows = [(f"{robot.name}, camera {number + 1}", *_camera_row(robot, camera))
            for robot in report.robot for number, camera in enumerate(robot.cameras)]  # fmt: skip
    first = report.robot[0]
    hogs = f"{first.hogs} busy process{'es' * (first.hogs != 1)}"
    headings = ("camera", "frames/s", "age p50", "age p90", "age p99", "age max", "latency p50",
                "captured", "dropped", "dropped, %", "not read", "state")  # fmt: skip
    loop = Table(
        title=f"The robot's loop: {len(first.cameras)} at once, beside {hogs}; ms",
        headings=headings,
        rows=tuple(rows),
        note="Age is from capture to delivery, latency from taking a frame to its labels. Dropped "
        "frames were replaced by newer ones; those not read came while their reader was late.",
    )
    return [loop, *(table for robot in report.robot if (table := _over_time(robot)))]


def _camera_row(robot: RobotRun, camera: CameraRun) -> tuple[str, ...]:
    state = f"failed: {camera.failure}" if camera.failure else (
        "complete" if robot.complete else "incomplete")  # fmt: skip
    share = percent(camera.dropped / camera.captured) if camera.captured else "-"
    counts = (str(camera.captured), str(camera.dropped), share, str(camera.missed))
    if not camera.at:
        return (*[NOT_MEASURED] * 6, *counts, state)
    age = np.array(camera.age)
    told = distribution(age, np.zeros(len(age), np.int64))
    latency = ms(float(np.median(camera.latency)))
    rate = len(age) / camera.seconds if camera.seconds else 0.0
    figures = (f"{rate:.1f}", ms(told.p50), ms(told.p90), ms(told.p99), ms(told.max), latency)
    return (*figures, *counts, state)


def _over_time(robot: RobotRun) -> Table | None:
    """Tenths of the run: does heat slow it? None where nothing was delivered."""
    if not any(camera.at for camera in robot.cameras) or robot.seconds <= 0:
        return None
    at = np.concatenate([np.array(camera.at) for camera in robot.cameras])
    age = np.concatenate([np.array(camera.age) for camera in robot.cameras])
    latency = np.concatenate([np.array(camera.latency) for camera in robot.cameras])
    edges = np.linspace(0, robot.seconds, 11)
    digits = 0 if robot.seconds >= 100 else 1
    gauges = list(robot.series.gauges)
    rows = []
    for start, end in zip(edges, edges[1:], strict=False):
        within = (at >= start) & (at < end)
        told = [ms(float(np.median(column[within]))) if within.any() else NOT_MEASURED
                for column in (age, latency)]  # fmt: skip
        means = [_mean(robot.series, name, float(start), float(end)) for name in gauges]
        rows.append(
            (f"{start:.{digits}f} to {end:.{digits}f} s", str(int(within.sum())), *told, *means)
        )
    return Table(
        title=f"{robot.name} over time, all cameras",
        headings=("time", "frames", "age p50, ms", "latency p50, ms", *gauges),
        rows=tuple(rows),
        note="" if any("°C" in name for name in gauges) else "Temperatures cannot be read here.",
    )


def _mean(series: Series, name: str, start: float, end: float) -> str:
    values = [value for at, value in zip(series.at, series.gauges[name], strict=True)
              if value is not None and start <= at < end]  # fmt: skip
    return f"{np.mean(values):.1f}" if values else NOT_MEASURED
