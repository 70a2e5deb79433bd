"""How a training run shows on the terminal: bars, or a plain line per epoch."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console

    from maskattn_models.training import EpochRow, Observer


@contextmanager
def watching(*, silent: bool = False) -> Iterator[Observer]:
    """An observer for the length of a run; all it shows goes to stderr."""
    from rich.console import Console

    from maskattn_models.training import Observer

    if silent:
        yield Observer()
        return
    console = Console(stderr=True)
    if console.is_terminal:
        with _bars(console) as observer:
            yield observer
    else:
        yield _plain(console)


def _line(row: EpochRow, epochs: int, *, best: bool) -> str:
    return (
        f"epoch {row.epoch:>{len(str(epochs))}}/{epochs}  loss {row.loss:.3f}  "
        f"{_score(row)}  {row.images_per_second:,.0f} images/s  "
        f"{row.seconds:.1f} s{'  best' if best else ''}"
    )


def _score(row: EpochRow) -> str:
    miou = f"val mIoU {100 * row.val_miou:5.1f} %"
    return miou if row.score_name == "mIoU" else f"val PQ {100 * row.score:5.1f} %  {miou}"


def _start(epoch: int, epochs: int, device: str) -> str:
    if epoch >= epochs:
        return f"all {epochs} epochs are done"
    return f"training on {device}, epochs {epoch + 1} to {epochs}"


def _plain(console: Console) -> Observer:
    from maskattn_models.training import Observer

    class Plain(Observer):
        _epochs = 0

        def started(self, *, epoch: int, epochs: int, steps: int, device: str) -> None:
            self._epochs = epochs
            self._say(_start(epoch, epochs, device))

        def warned(self, message: str) -> None:
            self._say(f"warning: {message}")

        def validated(self, row: EpochRow, *, best: bool) -> None:
            self._say(_line(row, self._epochs, best=best))

        def _say(self, text: str) -> None:
            console.print(text, highlight=False, soft_wrap=True)

    return Plain()


@contextmanager
def _bars(console: Console) -> Iterator[Observer]:
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )

    from maskattn_models.training import Observer

    class Bars(Observer):
        """A bar of the data while it is read, then one of all epochs and one of the current."""

        def __init__(self, progress: Progress) -> None:
            self._progress = progress
            self._task = {name: progress.add_task(name, visible=False, note="") for name in _BARS}
            self._epochs = self._steps = 0
            self._best = ""

        def loading(self, split: str, done: int, total: int) -> None:
            self._set("data", done, total, f"reading {split}", visible=done < total)

        def started(self, *, epoch: int, epochs: int, steps: int, device: str) -> None:
            self._epochs, self._steps = epochs, steps
            console.print(_start(epoch, epochs, device), highlight=False)
            self._set("epochs", epoch * steps, epochs * steps, "")

        def warned(self, message: str) -> None:
            console.print(f"warning: {message}", highlight=False, soft_wrap=True)

        def stepped(self, *, epoch: int, step: int, loss: float, images_per_second: float) -> None:
            text = f"loss {loss:.3f}, {images_per_second:,.0f} images/s"
            self._set("epoch", step, self._steps, text)
            done = (epoch - 1) * self._steps + step
            self._set("epochs", done, self._epochs * self._steps, self._best)

        def validated(self, row: EpochRow, *, best: bool) -> None:
            if best:
                self._best = f"best {row.score_name} {100 * row.score:.1f} % in epoch {row.epoch}"
            console.print(_line(row, self._epochs, best=best), highlight=False)

        def _set(
            self, name: str, done: int, total: int, text: str, *, visible: bool = True
        ) -> None:
            self._progress.update(
                self._task[name], completed=done, total=total, note=text, visible=visible
            )

    progress = Progress(
        TextColumn("{task.description:>6}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.fields[note]}"),
        console=console,
        transient=True,
    )
    with progress:
        yield Bars(progress)


_BARS = ("data", "epochs", "epoch")
