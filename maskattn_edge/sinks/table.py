"""Which sinks there are, and how a command line's options become sinks."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from maskattn_edge.contract.errors import UsageError
from maskattn_edge.sinks import picture, video
from maskattn_edge.sinks.jsonl import JsonLinesSink
from maskattn_edge.sinks.masks import MasksSink
from maskattn_edge.sinks.origin import Origin
from maskattn_edge.sinks.sink import Sink
from maskattn_edge.sinks.window import WindowSink


@dataclass(frozen=True, kw_only=True)
class Outputs:
    """Where results go; None and False mean nowhere.

    Args:
        save: a video, or a picture where the source is one picture.
        masks: folder for palette PNG files.
        jsonl: file of JSON lines, `-` for standard output.
        show: open a window.
        web: HOST:PORT of a live page.
        web_token: what viewers of that page must bring; None asks for none on loopback, and
            makes one elsewhere.
        opacity: of the colours over the frame, 0..1.

    Raises:
        UsageError: `opacity` is not within 0..1, or there is a token without a page.
    """

    save: Path | None = None
    masks: Path | None = None
    jsonl: str | None = None
    show: bool = False
    web: str | None = None
    web_token: str | None = None
    opacity: float = 0.5

    def __post_init__(self) -> None:
        if not 0 <= self.opacity <= 1:
            raise UsageError(f"--opacity must be from 0 to 1, got {self.opacity}")
        if self.web_token is not None and self.web is None:
            raise UsageError("--web-token needs --web, whose page it guards")


def open_sinks(outputs: Outputs, source: Origin) -> list[Sink]:
    """Open every sink that `outputs` asks for, for the frames of `source`.

    Raises:
        UsageError: a file has a suffix that cannot be written, or is the source itself.
        SinkError: an output cannot be opened; none stays open.
    """
    with ExitStack() as stack:
        sinks: list[Sink] = []
        for make in SINKS.values():
            sink = make(outputs, source)
            if sink is not None:
                sinks.append(stack.enter_context(sink))
        stack.pop_all()
        return sinks


def _save(outputs: Outputs, source: Origin) -> Sink | None:
    path = outputs.save
    if path is None:
        return None
    suffix = path.suffix.lower()
    if source.path is not None and _same(path, source.path):
        raise UsageError(f"--save {path} would replace the source: choose another name")
    if suffix in video.SUFFIXES:
        return video.VideoSink(path, fps=source.fps, live=source.live, opacity=outputs.opacity)
    if suffix not in picture.SUFFIXES:
        known = ", ".join((*video.SUFFIXES, *picture.SUFFIXES))
        raise UsageError(f"--save {path}: the name must end in one of {known}")
    if source.length != 1:
        raise UsageError(
            f"--save {path} holds one picture, and the source has more: save a video "
            f"({', '.join(video.SUFFIXES)}) or use --masks DIR"
        )
    return picture.PictureSink(path, opacity=outputs.opacity)


def _masks(outputs: Outputs, source: Origin) -> Sink | None:
    folder = outputs.masks
    if folder is None:
        return None
    if any(_same(folder, read) for read in source.folders):
        raise UsageError(f"--masks {folder} would replace the source's pictures: choose another")
    return MasksSink(folder)


def _jsonl(outputs: Outputs, source: Origin) -> Sink | None:
    if outputs.jsonl is None:
        return None
    if source.path is not None and _same(Path(outputs.jsonl), source.path):
        raise UsageError(f"--jsonl {outputs.jsonl} would replace the source: choose another name")
    return JsonLinesSink(outputs.jsonl)


def _show(outputs: Outputs, source: Origin) -> Sink | None:
    return WindowSink(opacity=outputs.opacity) if outputs.show else None


def _web(outputs: Outputs, source: Origin) -> Sink | None:
    if outputs.web is None:
        return None
    from maskattn_edge.sinks.web import WebSink, parse_address  # only now: a server costs 20 ms

    return WebSink(parse_address(outputs.web), token=outputs.web_token, opacity=outputs.opacity)


def _same(left: Path, right: Path) -> bool:
    return left.resolve() == right.resolve()


SINKS: dict[str, Callable[[Outputs, Origin], Sink | None]] = {
    "save": _save,
    "masks": _masks,
    "jsonl": _jsonl,
    "show": _show,
    "web": _web,
}
"""Option -> the function that opens its sink, or gives None where it was not asked for."""
