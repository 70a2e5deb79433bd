"""How a study shows on the terminal: a line per run, and bars of runs and steps."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console

    from maskattn_edge.contract.errors import TrainingError
    from maskattn_models.study import Arm, RunResult, StudyObserver


@contextmanager
def watching() -> Iterator[StudyObserver]:
    """An observer for the length of a study; all it shows goes to stderr."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn
    from rich.progress import TimeElapsedColumn as Elapsed

    console = Console(stderr=True)
    progress = Progress(
        TextColumn("{task.description:>4}"),
        BarColumn(),
        MofNCompleteColumn(),
        Elapsed(),
        TextColumn("{task.fields[note]}"),
        console=console,
        transient=True,
        disable=not console.is_terminal,
    )
    with progress:
        tasks = {name: progress.add_task(name, total=None, note="") for name in ("runs", "run")}

        def show(bar: str, done: int, total: int, note: str) -> None:
            progress.update(tasks[bar], completed=done, total=total, note=note)

        yield _observer(console, show)


def _observer(console: Console, show: Callable[[str, int, int, str], None]) -> StudyObserver:
    from maskattn_models.study import StudyObserver

    class Watching(StudyObserver):
        _epochs = _steps = 0

        def run_started(self, arm: Arm, seed: int, *, done: int, runs: int) -> None:
            show("runs", done, runs, f"{arm.title}, seed {seed}")

        def started(self, *, epoch: int, epochs: int, steps: int, device: str) -> None:
            self._epochs, self._steps = epochs, steps
            show("run", epoch * steps, epochs * steps, device)

        def stepped(self, *, epoch: int, step: int, loss: float, images_per_second: float) -> None:
            done = (epoch - 1) * self._steps + step
            text = f"loss {loss:.3f}, {images_per_second:,.0f} images/s"
            show("run", done, self._epochs * self._steps, text)

        def run_complete(self, arm: Arm, result: RunResult, *, done: int, runs: int) -> None:
            show("runs", done, runs, "")
            self._say(
                f"{done}/{runs}  {arm.title}, seed {result.seed}: mIoU {100 * result.miou:.2f} %, "
                f"{result.seconds:.0f} s of training"
            )

        def run_failed(self, arm: Arm, seed: int, error: TrainingError) -> None:
            self._say(f"{arm.title}, seed {seed} failed: {error}")

        def _say(self, text: str) -> None:
            console.print(text, highlight=False, soft_wrap=True)

    return Watching()
