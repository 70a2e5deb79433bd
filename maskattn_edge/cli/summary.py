"""The summary of a run as plain text, for a terminal as well as a pipe."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from maskattn_edge.sources.losses import NO_LOSSES, Losses

if TYPE_CHECKING:
    from maskattn_edge.pipeline import OutputSummary, Percentiles, Summary


def summary_lines(result: Summary) -> list[str]:
    """What a run amounted to, line by line."""
    dropped = result.dropped
    how = ", interrupted" if result.interrupted else ""
    rows = [
        ("source", result.source),
        ("model", f"{result.model} by {result.engine} on {result.device}"),
        (
            "frames",
            f"{result.captured} captured, {result.processed} processed, {dropped.engine} dropped "
            f"before the engine, {dropped.stop} at the end{how}",
        ),
        (
            "rate",
            f"{_number(result.fps)} frames/s processed, {_number(result.capture_fps)} captured, "
            f"{result.seconds:.2f} s",
        ),
        *_losses(result.losses),
        *_outputs(result.outputs),
        (
            "memory",
            f"{_number(result.memory_mb)} MiB, at most {_number(result.memory_peak_mb)} MiB",
        ),
    ]
    return [f"{name:<9} {text}" for name, text in rows] + _table(result)


def _losses(losses: Losses) -> list[tuple[str, str]]:
    if losses == NO_LOSSES:
        return []
    last = f"; last: {losses.reason}" if losses.reason else ""
    return [
        (
            "lost",
            f"reopened {losses.reopened} times, {losses.failures} failures, "
            f"{losses.seconds:.1f} s without a picture, {losses.broken_frames} broken pictures"
            f"{last}",
        )
    ]


def _outputs(outputs: tuple[OutputSummary, ...]) -> list[tuple[str, str]]:
    return [
        ("output", f"{output.name}: {output.delivered} frames, {output.dropped} dropped")
        for output in outputs
    ]


def _table(result: Summary) -> list[str]:
    rows = [
        ("frame to labels", result.latency_ms),
        ("  engine alone", result.engine_ms),
        ("age at delivery", result.age_ms),
    ]
    heads = ("p50", "p90", "p99", "max")
    return [
        "",
        f"{'milliseconds':<16}" + "".join(f"{head:>10}" for head in heads),
        *(f"{name:<16}" + _cells(values) for name, values in rows),
    ]


def _cells(values: Percentiles) -> str:
    numbers = (values.p50, values.p90, values.p99, values.max)
    return "".join(f"{_number(number, 2):>10}" for number in numbers)


def _number(value: float, digits: int = 1) -> str:
    return f"{value:.{digits}f}" if math.isfinite(value) else "-"
