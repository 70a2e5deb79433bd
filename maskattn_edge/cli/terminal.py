"""What commands share on the terminal; progress goes to stderr, results to stdout."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager


@contextmanager
def working(first: str) -> Iterator[Callable[[str], None]]:
    """A spinner with the current step; a plain line per step where stderr is no terminal."""
    from rich.console import Console

    console = Console(stderr=True)
    if not console.is_terminal:
        yield lambda step: console.print(step, highlight=False)
        return
    with console.status(first) as status:
        yield lambda step: status.update(step)


@contextmanager
def counting(what: str) -> Iterator[Callable[[int, int], None]]:
    """A bar that is told (done, total); nothing where stderr is no terminal."""
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeRemainingColumn,
    )

    console = Console(stderr=True)
    columns = (TextColumn(what), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, disable=not console.is_terminal) as bar:
        task = bar.add_task(what, total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)


@contextmanager
def stages() -> Iterator[Callable[[str, int, int], None]]:
    """A bar per step, told (step, done, total); a line per step where stderr is no terminal."""
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.percentage:.0f} %"))
    with Progress(
        *columns, TimeRemainingColumn(), console=console, disable=not console.is_terminal
    ) as bar:
        tasks: dict[str, TaskID] = {}

        def told(step: str, done: int, total: int) -> None:
            if step not in tasks:
                tasks[step] = bar.add_task(step)
                if not console.is_terminal:
                    console.print(step, highlight=False)
            bar.update(tasks[step], completed=done, total=total or None)

        yield told


@contextmanager
def phases() -> Iterator[Callable[[str, int, int], None]]:
    """One bar of the phase that is told of, (phase, done, total); else a line per new phase."""
    from rich.console import Console

    console = Console(stderr=True)
    seen: set[str] = set()

    def plainly(phase: str, done: int, total: int) -> None:
        if phase not in seen:
            seen.add(phase)
            console.print(phase, highlight=False, soft_wrap=True)

    if not console.is_terminal:
        yield plainly
        return
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console, transient=True) as bar:
        task = bar.add_task("starting", total=None)
        yield lambda phase, done, total: bar.update(
            task, description=phase, completed=done, total=total or None
        )
