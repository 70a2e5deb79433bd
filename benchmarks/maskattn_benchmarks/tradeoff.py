"""Accuracy against latency, a bubble for memory: the one picture that peers are compared in."""

from __future__ import annotations

import math
from collections.abc import Sequence
from html import escape

from maskattn_benchmarks import plots
from maskattn_benchmarks.percentiles import percentile
from maskattn_benchmarks.results import Run

WIDTH, HEIGHT = 760, 380
_LEFT, _RIGHT, _TOP, _BOTTOM = 58, 22, 16, 56
_LARGEST = 26.0
"""Radius of the bubble with the most memory; areas are in proportion."""

_BAND = 2 * _LARGEST + 16
"""Height of the row for runs without a score, below the axis of scores."""

_SMALL = 9.0
"""Radius below which a bubble's number does not fit into it, and stands above."""


def score(run: Run) -> float | None:
    """The run's main score on the grid in percent: PQ, AP or mIoU; None where there is none."""
    grid = run.accuracy.grid if run.accuracy else {}
    found = [grid[key] for key in ("pq", "ap", "miou") if grid.get(key) is not None]
    return None if not found else 100 * float(found[0] or 0)


def tradeoff_plot(runs: Sequence[Run]) -> str:
    """Inline SVG of all runs with timed frames and measured memory; empty if there are none.

    x is the median from frame to grid labels, logarithmic; runs without a score (random weights)
    lie in a row of their own, hollow. A bubble's area is the process's peak memory; its number is
    the run's, counted from 1.
    """
    shown = [(index, run) for index, run in enumerate(runs) if len(run.steady) and run.memory]
    if not shown:
        return ""
    latency = [percentile(run.steady.of("host_to_host"), 500) for _, run in shown]
    low, high = min(latency) / 1.6, max(latency) * 1.6
    x = plots.Axis(math.log10(low), math.log10(high), _LEFT, WIDTH - _RIGHT)
    scores = [found for _, run in shown if (found := score(run)) is not None]
    band = _BAND if len(scores) < len(shown) else 0.0
    height = HEIGHT if scores else _TOP + _BAND + _BOTTOM  # no axis of scores without any
    bottom = height - _BOTTOM - band
    margin = max(2.0, 0.25 * (max(scores) - min(scores))) if scores else 1.0
    y = plots.Axis(
        max(0.0, min(scores, default=0) - margin), max(scores, default=1) + margin, bottom, _TOP
    )
    most = max(run.memory.peak for _, run in shown if run.memory)
    body = [_grid(y) if scores else "", _ticks(x, low, high, height)]
    for (index, run), at in sorted(zip(shown, latency, strict=True), key=lambda e: -_peak(e[0][1])):
        found = score(run)
        place = bottom + band / 2 + 3 if found is None else y(found)
        radius = max(3.0, _LARGEST * math.sqrt(_peak(run) / most))
        body.append(_bubble(x(math.log10(at)), place, radius, index, run, found))
    body.append(_captions(bottom, band, height))
    title = "Accuracy against latency, a bubble for memory"
    size = f"0 0 {WIDTH} {height:g}"
    return f'<svg viewBox="{size}" role="img" aria-label="{title}">{"".join(body)}</svg>'


def _peak(run: Run) -> float:
    return run.memory.peak if run.memory else 0.0


def _bubble(x: float, y: float, radius: float, index: int, run: Run, found: float | None) -> str:
    """A circle that names itself when pointed at; hollow where there is no score."""
    fill = plots.color(index)
    at = y + 4 if radius >= _SMALL else y - radius - 4
    opacity = "0.15" if found is None else "0.55"
    name = f"{run.name}: {_peak(run):.0f} MiB"
    return (
        f'<circle cx="{x:.1f}" cy="{y:.1f}" r="{radius:.1f}" fill="{fill}" fill-opacity="{opacity}"'
        f' stroke="{fill}" stroke-width="1.5"><title>{escape(name)}</title></circle>'
        f'<text x="{x:.1f}" y="{at:.1f}" text-anchor="middle">{index + 1}</text>'
    )


def _grid(y: plots.Axis) -> str:
    return "".join(
        f'<line x1="{_LEFT}" x2="{WIDTH - _RIGHT}" y1="{y(value):.1f}" y2="{y(value):.1f}" '
        f'class="grid" stroke="#e4e4e4"/>'
        f'<text x="{_LEFT - 6}" y="{y(value) + 4:.1f}" text-anchor="end">{value:g}</text>'
        for value in y.ticks()
    )


def _ticks(x: plots.Axis, low: float, high: float, height: float) -> str:
    at = height - _BOTTOM + 6
    return "".join(
        f'<line x1="{x(math.log10(value)):.1f}" x2="{x(math.log10(value)):.1f}" y1="{at}" '
        f'y2="{at + 4}" class="tick" stroke="#888"/>'
        f'<text x="{x(math.log10(value)):.1f}" y="{at + 18}" text-anchor="middle">{value:g}</text>'
        for value in plots.log_ticks(low, high)
    )


def _captions(bottom: float, band: float, height: float) -> str:
    """What the axes are; the row without scores is named left of its bubbles."""
    middle = (bottom + _TOP) / 2
    scores = (
        f'<text x="14" y="{middle:.1f}" text-anchor="middle" transform="rotate(-90 14 '
        f'{middle:.1f})">score, %</text>'
    )
    row = ""
    if band:
        at = bottom + band / 2 + 3
        row = (
            f'<line x1="{_LEFT}" x2="{WIDTH - _RIGHT}" y1="{bottom + 3:.1f}" y2="{bottom + 3:.1f}" '
            f'class="tick" stroke="#888"/><text x="{_LEFT - 6}" y="{at - 3:.1f}" '
            f'text-anchor="end">not</text><text x="{_LEFT - 6}" y="{at + 11:.1f}" '
            'text-anchor="end">scored</text>'
        )
    return (
        f"{scores if height == HEIGHT else ''}{row}"
        f'<text x="{(WIDTH + _LEFT) / 2}" y="{height - 8:g}" text-anchor="middle">ms from frame to '
        "grid labels, median, logarithmic; area of a bubble: peak memory</text>"
    )
