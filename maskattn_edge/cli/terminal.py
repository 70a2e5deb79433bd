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
