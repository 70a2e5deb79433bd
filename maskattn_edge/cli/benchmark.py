"""`maskattn-edge benchmark`: what a model costs on this machine."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from maskattn_edge.cli.completion import candidates
from maskattn_edge.cli.terminal import working

if TYPE_CHECKING:
    from maskattn_benchmarks.loadgen import LoadGenSettings
    from maskattn_benchmarks.results import Report
    from maskattn_benchmarks.robot import RobotSettings


def benchmark(
    models: Annotated[list[Path], typer.Argument(metavar="MODEL...", help="Model files or names.")],
    engine: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME",
            autocompletion=candidates,
            help="Back end; may be given again. All that load if not.",
        ),
    ] = None,
    data: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Data set to score the models on.")
    ] = None,
    split: Annotated[str, typer.Option(help="Which part of it.")] = "test",
    limit: Annotated[int | None, typer.Option(min=1, help="Score at most so many images.")] = None,
    report: Annotated[
        Path, typer.Option(metavar="DIR", help="Folder for report.html, report.md, results.json.")
    ] = Path("benchmark"),
    source: Annotated[
        str, typer.Option(metavar="URI", help="Where frames come from, as in run.")
    ] = "synthetic://?frames=16",
    interleave: Annotated[
        bool,
        typer.Option("--interleave", help="Take blocks of all candidates in turn."),
    ] = False,
    frames: Annotated[int, typer.Option(min=1, help="Timed frames of each, at least.")] = 1000,
    seconds: Annotated[float, typer.Option(min=0, help="Timed seconds of each, at least.")] = 10.0,
    warmup: Annotated[int, typer.Option(min=0, help="Frames before the timed ones.")] = 50,
    block: Annotated[int, typer.Option(min=1, help="Frames taken without a pause.")] = 25,
    starts: Annotated[int, typer.Option(min=0, help="Processes to time start-up with.")] = 3,
    threads: Annotated[
        int | None, typer.Option(min=1, help="CPU threads per frame; all cores if not given.")
    ] = None,
    max_seconds: Annotated[
        float | None, typer.Option(help="Timed seconds of each, at most; its warm-up, a tenth.")
    ] = None,
    block_seconds: Annotated[
        float | None, typer.Option(help="A slow candidate's blocks are shorter: about so long.")
    ] = None,
    timeout: Annotated[
        float, typer.Option(help="Seconds that a candidate may take to load, or for one step.")
    ] = 300.0,
    loadgen: Annotated[
        bool, typer.Option("--loadgen", help="MLPerf LoadGen too: SingleStream and Offline.")
    ] = False,
    queries: Annotated[
        int | None, typer.Option(min=1, help="Of LoadGen, at least; 1024 if not given.")
    ] = None,
    robot: Annotated[
        bool, typer.Option("--robot", help="The whole loop too: cameras at once, beside a load.")
    ] = False,
    camera: Annotated[
        list[str] | None,
        typer.Option(metavar="URI", help="Of the robot; may be given again. Files play like one."),
    ] = None,
    hogs: Annotated[
        int | None, typer.Option(min=0, help="Busy processes beside the robot; 1 if not given.")
    ] = None,
    minutes: Annotated[
        float | None, typer.Option(help="How long the robot goes; 1 if not given.")
    ] = None,
) -> None:
    """Measure latency, start-up, memory, energy and accuracy, and write a report.

    A model that fails is a row with the reason, and the exit code is 1. A benchmark that is
    stopped leaves its samples in results.json, marked incomplete.

    Example: maskattn-edge benchmark best.onnx best.int8.onnx --interleave --report report
    """
    from maskattn_benchmarks.benchmark import benchmark as measure
    from maskattn_benchmarks.files import write_reports
    from maskattn_benchmarks.peers.table import installed_engines
    from maskattn_benchmarks.settings import BenchmarkSettings
    from maskattn_edge.latency import LatencySettings
    from maskattn_edge.models import find_model
    from maskattn_edge.optional import require

    require("jinja2", purpose="the HTML report", extra="benchmark")  # before minutes of work
    latency = LatencySettings(warmup_frames=warmup, min_frames=frames, min_seconds=seconds)
    settings = BenchmarkSettings(
        latency=latency,
        block_frames=block,
        interleave=interleave,
        threads=threads,
        source=source,
        starts=starts,
        data=data,
        split=split,
        limit=limit,
        max_seconds=max_seconds,
        block_seconds=block_seconds,
        timeout_s=timeout,
        loadgen=_loadgen(loadgen, queries, seconds),
        robot=_robot(robot, camera, hogs, minutes),
    )
    with working("benchmark") as say:
        done = measure(
            [find_model(model) for model in models],
            engine or installed_engines(),
            settings,
            results=report / "results.json",
            on_step=say,
            on_end=lambda found: write_reports(report, found),
        )
    _print(done, report)
    if any(run.failure for run in done.runs):
        raise typer.Exit(1)


def _loadgen(wanted: bool, queries: int | None, seconds: float) -> LoadGenSettings | None:
    from maskattn_benchmarks.loadgen import LoadGenSettings
    from maskattn_edge.optional import require

    _check_needed("--loadgen", wanted, {"--queries": queries})
    if not wanted:
        return None
    require("mlperf_loadgen", purpose="MLPerf LoadGen", extra="loadgen")
    default = LoadGenSettings()
    return LoadGenSettings(min_queries=queries or default.min_queries, min_seconds=seconds)


def _robot(
    wanted: bool, cameras: list[str] | None, hogs: int | None, minutes: float | None
) -> RobotSettings | None:
    from maskattn_benchmarks.robot import CAMERAS, RobotSettings

    options = {"--camera": cameras, "--hogs": hogs, "--minutes": minutes}
    _check_needed("--robot", wanted, options)
    if not wanted:
        return None
    return RobotSettings(
        cameras=tuple(cameras or CAMERAS),
        hogs=1 if hogs is None else hogs,
        seconds=60.0 * (1.0 if minutes is None else minutes),
    )


def _check_needed(option: str, given: bool, others: Mapping[str, object]) -> None:
    """Refuse options that mean nothing without another one."""
    from maskattn_edge.contract.errors import UsageError

    for name, value in others.items():
        if not given and value is not None:
            raise UsageError(f"{name} means nothing without {option}: add it, or leave {name} out")


def _print(done: Report, folder: Path) -> None:
    import sys

    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    from maskattn_benchmarks.tables import tables

    overview = tables(done)[0]
    table = Table()  # a column per run: a terminal is narrow, and figures are many
    table.add_column("")
    for row in overview.rows:
        table.add_column(Text(row[0]), justify="right", overflow="fold")
    for number, heading in enumerate(overview.headings[1:], start=1):
        table.add_row(heading, *(Text(row[number]) for row in overview.rows))
    Console().print(table)
    print(f"report: {folder / 'report.html'}")
    for text in done.warnings:
        print(f"warning: {text}", file=sys.stderr)
