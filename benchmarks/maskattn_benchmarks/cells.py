"""What a table is, and how numbers are written in it."""

from __future__ import annotations

from dataclasses import dataclass

NOT_MEASURED = "not measured"


@dataclass(frozen=True, kw_only=True)
class Table:
    """`rows` have as many cells as `headings`; the first cell names the row."""

    title: str
    headings: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    note: str = ""


def ms(value: float) -> str:
    """Milliseconds with three figures or more.

    >>> ms(0.01234), ms(3.14159), ms(123.456)
    ('0.0123', '3.14', '123.5')
    """
    if value >= 100:
        return f"{value:.1f}"
    return f"{value:.2f}" if value >= 1 else f"{value:.3g}"


def percent(fraction: float | None) -> str:
    """A share in percent; a dash where there is none."""
    return "-" if fraction is None else f"{100 * fraction:.2f}"
