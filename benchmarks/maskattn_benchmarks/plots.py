"""Plots of a report as inline SVG: no script, no font and no file from outside.

Texts come from numbers and from names of runs, which are escaped: a model file's name is its
author's.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from html import escape

import numpy as np
from numpy.typing import NDArray

from maskattn_benchmarks.cells import ms
from maskattn_benchmarks.percentiles import percentile
from maskattn_benchmarks.results import Metric, Run

COLORS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#7a5c00", "#56b4e9", "#444444", "#b8860b")
"""Okabe and Ito's, told apart by colour-blind readers and in grey print; runs take them in turn."""

WIDTH, HEIGHT = 480, 230
LEFT, RIGHT, TOP, BOTTOM = 52, 22, 12, 42
_STAGES = ("decode", "scale", "engine", "enlarge")
_STAGE_COLORS = ("#56b4e9", "#e69f00", "#0072b2", "#009e73")
_WIDE = 20
"""From so many times the smallest latency on, a linear axis would hide the small ones."""

_TAIL = tuple(1000 - round(1000 * 10**-x) for x in np.linspace(math.log10(2), 3, 40))


def color(index: int) -> str:
    """Of the run at `index`."""
    return COLORS[index % len(COLORS)]


def dash(index: int) -> str:
    """Dashes of the run at `index`: runs of one colour differ in them; empty for a whole line."""
    return ("", "7 3", "2 3")[index // len(COLORS) % 3]


def tail_plot(runs: Sequence[Run], metric: Metric) -> str:
    """Latency at each percentile, where p90, p99 and p99.9 lie equally far apart."""
    curves = []
    for run in runs:
        samples = run.steady.of(metric)
        ranks = [rank for rank in _TAIL if len(samples) * (1000 - rank) >= 1000]
        curves.append([(rank, percentile(samples, rank)) for rank in ranks] if len(samples) else [])
    values = [value for curve in curves for _, value in curve]
    if not values:
        return ""
    y, lines = _latency_axis(values)
    x = Axis(math.log10(2), 3.0, LEFT, WIDTH - RIGHT)
    body = [lines]
    for label, rank in {"p50": 500, "p90": 900, "p99": 990, "p99.9": 999}.items():
        body.append(x_tick(x(_depth(rank)), label))
    for index, curve in enumerate(curves):
        points = " ".join(f"{x(_depth(rank)):.1f},{y(value):.1f}" for rank, value in curve)
        body.append(
            f'<polyline points="{points}" fill="none" stroke="{color(index)}" stroke-width="2" '
            f'stroke-dasharray="{dash(index)}"/>'
        )
    return svg(body, f"Latency by percentile, {metric.replace('_', ' ')}")


def stage_plot(runs: Sequence[Run]) -> str:
    """Median of each stage, side by side in one bar per run.

    Where a run takes many times as long as another, bars are shares of a frame, all of one length.
    """
    rows = [[float(np.median(getattr(run.steady, stage))) for stage in _STAGES] for run in runs]
    sums = [sum(row) for row in rows]
    shares = max(sums) >= _WIDE * min(sums) > 0
    if shares:
        rows = [
            [100 * value / total for value in row] for row, total in zip(rows, sums, strict=True)
        ]
    longest = 100.0 if shares else max(sums) * 1.05
    x = Axis(0.0, longest, LEFT - 38, WIDTH - RIGHT)
    bottom = 34 + 40 * len(runs)
    body = []
    for k, (stage, fill) in enumerate(zip(_STAGES, _STAGE_COLORS, strict=True)):
        left = LEFT - 38 + 105 * k
        body.append(f'<rect x="{left}" y="6" width="12" height="12" fill="{fill}"/>')
        body.append(f'<text x="{left + 17}" y="16">{stage}</text>')
    for k, (run, row, total) in enumerate(zip(runs, rows, sums, strict=True)):
        top, at = 34 + 40 * k, 0.0
        said = f"{escape(run.name[:60])}, {ms(total)} ms"
        body.append(f'<text x="{x(0):.1f}" y="{top + 11}">{said}</text>')
        for value, fill in zip(row, _STAGE_COLORS, strict=True):
            body.append(
                f'<rect x="{x(at):.1f}" y="{top + 16}" width="{x(at + value) - x(at):.1f}" '
                f'height="16" fill="{fill}"/>'
            )
            at += value
    body += [x_tick(x(value), f"{value:g}", bottom) for value in x.ticks()]
    what = "% of a frame" if shares else "ms"
    body.append(f'<text x="{WIDTH - RIGHT}" y="{bottom + 32}" text-anchor="end">{what}</text>')
    return svg(body, "Median of each stage", bottom + 38)


def histogram(run: Run, metric: Metric, fill: str) -> str:
    """How often each latency came; the axis is logarithmic, and one frame is enough to be seen."""
    samples = np.maximum(run.steady.of(metric), 1e-4)
    low, high = float(samples.min()) * 0.98, float(samples.max()) * 1.02
    edges = np.geomspace(low, high, 61)
    counts, _ = np.histogram(samples, edges)
    x = Axis(math.log10(low), math.log10(high), LEFT, WIDTH - RIGHT)
    y = Axis(0.0, float(counts.max()) * 1.05, HEIGHT - BOTTOM, TOP)
    body = [y_axis(y, "frames")]
    for k in np.flatnonzero(counts):
        left, right = x(math.log10(edges[k])), x(math.log10(edges[k + 1]))
        height = max(2.0, y(0) - y(float(counts[k])))
        body.append(
            f'<rect x="{left:.1f}" y="{y(0) - height:.1f}" width="{right - left - 0.5:.1f}" '
            f'height="{height:.1f}" fill="{fill}"/>'
        )
    body += [x_tick(x(math.log10(value)), f"{value:g}") for value in log_ticks(low, high)]
    body.append(unit("ms, logarithmic"))
    return svg(body, f"Histogram of {run.name}")


def time_series(run: Run, metric: Metric, stroke: str) -> str:
    """Slowest and fastest frame of each moment, the warm-up in grey before the timed frames."""
    warm, steady = run.warmup.of(metric), run.steady.of(metric)
    at = np.array((*run.warmup.at, *run.steady.at))
    values = np.concatenate([warm, steady])
    start, end = float(at.min()), float(at.max())
    x = Axis(0.0, max(end - start, 1e-6), LEFT, WIDTH - RIGHT)
    y = Axis(0.0, float(values.max()) * 1.08, HEIGHT - BOTTOM, TOP)
    body = [y_axis(y, "ms")]
    for part, fill in ((slice(0, len(warm)), "#999999"), (slice(len(warm), None), stroke)):
        body.append(bands(at[part] - start, values[part], x, y, fill))
    body += [x_tick(x(value), f"{value:g}") for value in x.ticks()]
    body.append(unit("seconds; grey: warm-up"))
    return svg(body, f"Latency over time of {run.name}")


def bands(at: NDArray[np.float64], values: NDArray[np.float64], x: Axis, y: Axis, fill: str) -> str:
    """One upright line per pixel column, from its fastest to its slowest frame."""
    columns: dict[int, list[float]] = {}
    for moment, value in zip(at.tolist(), values.tolist(), strict=True):
        columns.setdefault(round(x(moment)), []).append(value)
    lines = [
        f"M{column} {y(max(found)) - 1:.1f}V{y(min(found)) + 1:.1f}"
        for column, found in columns.items()
    ]
    return f'<path d="{"".join(lines)}" stroke="{fill}" stroke-width="1.4"/>' if lines else ""


class Axis:
    """A linear map from values to pixels."""

    def __init__(self, low: float, high: float, start: float, end: float) -> None:
        self.low, self.high = low, high if high > low else low + 1
        self._start, self._scale = start, (end - start) / (self.high - low)

    def __call__(self, value: float) -> float:
        """The pixel of a value."""
        return self._start + (value - self.low) * self._scale

    def ticks(self) -> list[float]:
        """Four to ten round values."""
        step: float = 10 ** math.floor(math.log10((self.high - self.low) / 4))
        for factor in (5, 2):
            if (self.high - self.low) / (step * factor) >= 4:
                step *= factor
                break
        first = math.ceil(self.low / step)
        return [round(k * step, 10) for k in range(first, math.floor(self.high / step) + 1)]


def log_ticks(low: float, high: float) -> list[float]:
    """1, 2 and 5 times powers of ten; every power's tenths where the range is narrow."""
    decades = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    for factors in ((1,), (1, 2, 5), (1, 1.5, 2, 3, 4, 5, 6, 7, 8, 9)):
        ticks = [factor * 10.0**k for k in decades for factor in factors]
        kept = [round(tick, 10) for tick in ticks if low <= tick <= high]
        if len(kept) >= 3:
            return kept
    return [float(f"{low:.3g}"), float(f"{math.sqrt(low * high):.3g}"), float(f"{high:.3g}")]


def _latency_axis(values: Sequence[float]) -> tuple[Callable[[float], float], str]:
    """Where a latency lies, and the axis; logarithmic where some are a multiple of others."""
    low, high = min(values), max(values) * 1.08
    if low <= 0 or high < _WIDE * low:
        y = Axis(0.0, high, HEIGHT - BOTTOM, TOP)
        return y, y_axis(y, "ms")
    log = Axis(math.log10(low / 1.2), math.log10(high), HEIGHT - BOTTOM, TOP)
    ticks = [(log(math.log10(value)), value) for value in log_ticks(low / 1.2, high)]
    return lambda value: log(math.log10(value)), _lines(ticks, "ms, logarithmic")


def _depth(rank: int) -> float:
    return -math.log10(1 - rank / 1000)


def y_axis(y: Axis, unit: str) -> str:
    """Lines and numbers of an upright axis, and its unit."""
    return _lines([(y(value), value) for value in y.ticks()], unit)


def _lines(ticks: Sequence[tuple[float, float]], unit: str) -> str:
    lines = []
    for at, value in ticks:
        lines.append(
            f'<line x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{at:.1f}" y2="{at:.1f}" class="grid"/>'
            f'<text x="{LEFT - 6}" y="{at + 4:.1f}" text-anchor="end">{value:g}</text>'
        )
    middle = (HEIGHT - BOTTOM + TOP) / 2
    lines.append(
        f'<text x="12" y="{middle}" text-anchor="middle" transform="rotate(-90 12 {middle})">'
        f"{unit}</text>"
    )
    return "".join(lines)


def x_tick(at: float, label: str, bottom: float = HEIGHT - BOTTOM) -> str:
    """A mark below the plot, and what it says."""
    return (
        f'<line x1="{at:.1f}" x2="{at:.1f}" y1="{bottom}" y2="{bottom + 4}" class="tick"/>'
        f'<text x="{at:.1f}" y="{bottom + 17}" text-anchor="middle">{label}</text>'
    )


def unit(text: str) -> str:
    """What lies below the numbers."""
    middle = (WIDTH + LEFT) / 2
    return f'<text x="{middle}" y="{HEIGHT - 6}" text-anchor="middle">{text}</text>'


def svg(body: Sequence[str], title: str, height: float = HEIGHT) -> str:
    """The whole picture, which names itself to who cannot see it."""
    return (
        f'<svg viewBox="0 0 {WIDTH} {height:g}" role="img" aria-label="{escape(title)}">'
        f"{''.join(body)}</svg>"
    )
