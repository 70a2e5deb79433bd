"""`maskattn-edge run`: segment a camera, a video or pictures."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TextIO

import typer

from maskattn_edge.cli.completion import engines

if TYPE_CHECKING:
    from maskattn_edge.contract.model_file import ModelFile
    from maskattn_edge.pipeline import Observer, Progress, Settings, Summary
    from maskattn_edge.sinks import Outputs

_TOKEN = "MASKATTN_WEB_TOKEN"


def run(
    context: typer.Context,
    model: Annotated[
        Path | None, typer.Argument(help="Model file or name; the shipped one if not given.")
    ] = None,
    camera: Annotated[
        str | None, typer.Option(metavar="N", help="Camera number or device: 0, /dev/video0.")
    ] = None,
    source: Annotated[
        str | None,
        typer.Option(
            metavar="URI",
            help="Video, picture, folder, glob in quotes, v4l2:///dev/video0, csi://0, "
            "rtsp://USER:PASSWORD@HOST/PATH, http://HOST/PATH.mjpeg, or "
            "synthetic://?seed=3&width=640&height=480&fps=30&frames=150 (every part optional).",
        ),
    ] = None,
    save: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Save the overlay: .webm or .mkv; .mp4 with maskattn-edge[h264]; .png or .jpg "
            "for one picture.",
        ),
    ] = None,
    masks: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Save the classes of each frame as PNG.")
    ] = None,
    jsonl: Annotated[
        str | None,
        typer.Option(metavar="FILE", help="Write a line of JSON per frame; - for stdout."),
    ] = None,
    show: Annotated[
        bool, typer.Option("--show", help="Show the overlay in a window; q ends the run.")
    ] = False,
    web: Annotated[
        str | None,
        typer.Option(
            metavar="[HOST:PORT]",
            help="Serve a live page; at 127.0.0.1:8765 if nothing follows. Beyond loopback, "
            "viewers need the URL that is printed.",
        ),
    ] = None,
    web_token: Annotated[
        str | None,
        typer.Option(
            metavar="TOKEN",
            envvar=_TOKEN,
            help="What viewers of the page must bring; one is made where it is needed.",
        ),
    ] = None,
    frames: Annotated[
        int | None, typer.Option(metavar="N", min=1, help="Stop after so many frames.")
    ] = None,
    engine: Annotated[
        str,
        typer.Option(
            metavar="NAME",
            autocompletion=engines,
            help="tensorrt, onnxruntime-tensorrt, onnxruntime-cuda, openvino, onnxruntime; auto: "
            "the first of these that loads; fastest: the winner of two seconds, remembered.",
        ),
    ] = "auto",
    threads: Annotated[
        int | None,
        typer.Option(
            metavar="N", min=1, max=1024, help="CPU threads for one frame; all if not given."
        ),
    ] = None,
    cache: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR",
            help="Folder of TensorRT engines, as given to `build`, and of what fastest found.",
        ),
    ] = None,
    opacity: Annotated[
        float, typer.Option(metavar="X", min=0, max=1, help="Of the colours over the frame.")
    ] = 0.5,
    max_fps: Annotated[
        float | None,
        typer.Option(metavar="X", min=0.01, help="Process at most so many frames per second."),
    ] = None,
    summary: Annotated[
        Path | None,
        typer.Option(metavar="FILE.json", help="Write the summary, of a failing run too, as JSON."),
    ] = None,
    stats: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="Write how the run stands, a line of JSON every few seconds."
        ),
    ] = None,
    stats_every: Annotated[
        float, typer.Option(metavar="SECONDS", min=1, help="Between two lines of --stats.")
    ] = 5.0,
) -> None:
    """Segment a camera, a video or pictures, and tell how fast and how fresh the results were.

    A camera gives its newest frame; of files, every frame is segmented. Ctrl-C ends the run and
    leaves complete files; a second Ctrl-C aborts.

    Example: maskattn-edge run --camera 0 --web

    Example: maskattn-edge run --source drive.mp4 --save drive-labels.webm

    Example: maskattn-edge run best.int8.onnx --source 'pictures/*.jpg' --masks masks

    Example: maskattn-edge run --source 'synthetic://?seed=7&frames=150' --save overlay.webm
    """
    from maskattn_edge.cli.config_file import drop_weaker, was_given
    from maskattn_edge.contract.model_file import read_model_file
    from maskattn_edge.models import find_model
    from maskattn_edge.pipeline import Settings
    from maskattn_edge.sinks import Outputs

    uri = _one_source(*drop_weaker(context, "camera", "source"))
    outputs = Outputs(
        save=save,
        masks=masks,
        jsonl=jsonl,
        show=show,
        web=web,
        web_token=web_token if web is not None or was_given(context, "web_token") else None,
        opacity=opacity,
    )
    settings = Settings(max_frames=frames, max_fps=max_fps)
    file = read_model_file(find_model(model))
    with _observers(stats, stats_every, summary) as observers:
        result = _run(
            file, uri, outputs, settings, observers, engine=engine, threads=threads, cache=cache
        )
        _print(result, sys.stderr if jsonl == "-" else sys.stdout)
    if result.interrupted and not result.live:
        raise typer.Exit(130)  # a file was not done to its end


def _one_source(camera: str | None, source: str | None) -> str:
    from maskattn_edge.contract.errors import UsageError

    if camera is not None and source is not None:
        raise UsageError("--camera and --source were both given: choose one")
    uri = source if camera is None else camera
    if uri is None:
        raise UsageError("nothing to segment: give --camera 0 or --source URI (video, folder, ...)")
    return uri


def _run(
    file: ModelFile,
    uri: str,
    outputs: Outputs,
    settings: Settings,
    observers: Sequence[Observer],
    *,
    engine: str,
    threads: int | None,
    cache: Path | None,
) -> Summary:
    from maskattn_edge.cli.terminal import phases
    from maskattn_edge.engines import open_engine
    from maskattn_edge.pipeline import Pipeline
    from maskattn_edge.sinks import open_sinks
    from maskattn_edge.sources import open_source

    skipped: dict[str, list[str]] = {}
    notes: list[str] = []
    with ExitStack() as stack:
        source = stack.enter_context(open_source(uri))
        with phases() as on_step:
            opened = open_engine(
                file,
                backend=engine,
                threads=threads,
                on_skip=lambda name, reason: skipped.setdefault(reason, []).append(name),
                on_note=notes.append,
                on_step=on_step,
                cache=cache,
            )
        stack.enter_context(opened)
        sinks = [stack.enter_context(sink) for sink in open_sinks(outputs, source)]
        _say(f"engine: {opened.name} on {opened.device}", *notes)
        _say(*(f"not {', '.join(names)}: {reason}" for reason, names in skipped.items()))
        if not file.described:
            _say(f"warning: {file.path} has no description; its classes are shown as numbers")
        _say(*(sink.notice for sink in sinks if sink.notice))
        with _status_line(hidden=outputs.jsonl == "-") as show_progress:
            pipeline = Pipeline(source, opened, sinks, settings, observers=observers)
            return pipeline.run(show_progress)


@contextmanager
def _observers(
    stats: Path | None, every_s: float, summary: Path | None
) -> Iterator[list[Observer]]:
    """Files of statistics and summary, and systemd where this is one of its services."""
    from maskattn_edge.pipeline import StatsFile, SummaryFile, SystemdNotifier

    with ExitStack() as stack:
        observers: list[Observer] = []
        if stats is not None:
            observers.append(stack.enter_context(StatsFile(stats, every_s=every_s)))
        if summary is not None:
            observers.append(stack.enter_context(SummaryFile(summary)))
        notifier = SystemdNotifier.from_environment(os.environ)
        if notifier is not None:
            observers.append(stack.enter_context(notifier))
        yield observers


def _say(*lines: str) -> None:
    for line in lines:
        print(line, file=sys.stderr)


@contextmanager
def _status_line(*, hidden: bool) -> Iterator[Callable[[Progress], None] | None]:
    """One line on stderr that follows the run; none where stderr is no terminal."""
    from rich.console import Console

    console = Console(stderr=True)
    if hidden or not console.is_terminal:
        yield None
        return
    from rich.live import Live

    with Live(console=console, auto_refresh=False, transient=True) as live:
        yield lambda progress: live.update(status_text(progress), refresh=True)


def status_text(progress: Progress) -> str:
    """How the run stands, in one line."""
    if progress.lost_s:
        return f"{progress.processed} frames  source lost for {progress.lost_s:.0f} s, reopening"
    of = "" if progress.length is None else f"/{progress.length}"
    return (
        f"{progress.processed}{of} frames  {progress.fps:.1f}/s  "
        f"latency {progress.latency_ms:.1f} ms  age {progress.age_ms:.0f} ms  "
        f"dropped {progress.dropped}"
    )


def _print(result: Summary, stream: TextIO) -> None:
    from maskattn_edge.cli.summary import summary_lines

    for line in summary_lines(result):
        print(line, file=stream)
