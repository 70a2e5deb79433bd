"""Which of the files to ship, and why, in one line."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from maskattn_export.settings import Precision

SAME_SPEED = 0.05
"""Files whose times differ by less than this share count as equally fast: the smaller one wins."""

LEAST_AGREEMENT = 0.99
"""Share of pixels with fp32's label that a file needs where there are no labels to judge by."""


@dataclass(frozen=True, kw_only=True)
class Candidate:
    """One written file.

    Args:
        name: of the file.
        loss: points of the metric less than PyTorch's fp32; None without labels.
        agreement: share of pixels with PyTorch's label.
        frame_ms: on the engine that all were timed with.
        megabytes: of the file.
    """

    name: str
    precision: Precision
    loss: float | None
    agreement: float
    frame_ms: float
    megabytes: float


@dataclass(frozen=True, kw_only=True)
class Decision:
    """The file to ship; `line` says why."""

    name: str
    precision: Precision
    line: str


def decide(
    candidates: Sequence[Candidate],
    *,
    budget: float,
    metric: str,
    engine: str,
    left_out: str = "",
    caveat: str = "",
) -> Decision:
    """The fastest file that loses no more than the budget; of equally fast ones the smallest.

    Args:
        candidates: at least fp32, which always fits.
        budget: points of the metric.
        metric: that losses are of.
        engine: that times are of.
        left_out: why a precision that was asked for is not among the candidates, if so.
        caveat: what the times do not say, if so.
    """
    fit = [one for one in candidates if one.precision == "fp32" or _fits(one, budget)]
    fastest = min(one.frame_ms for one in fit)
    level = [one for one in fit if one.frame_ms <= fastest * (1 + SAME_SPEED)]
    best = min(level, key=lambda one: one.megabytes)
    others = [one for one in candidates if one is not best]
    reasons = [_accuracy(best, budget, metric), _against(best, others, engine)]
    reasons += [f"{o.precision} {_accuracy(o, budget, metric)}" for o in others if o not in fit]
    reasons += [reason for reason in (left_out, caveat) if reason]
    line = f"ship {best.name}: {'; '.join(reasons)}"
    return Decision(name=best.name, precision=best.precision, line=line)


def _fits(one: Candidate, budget: float) -> bool:
    return one.agreement >= LEAST_AGREEMENT if one.loss is None else one.loss <= budget


def _accuracy(one: Candidate, budget: float, metric: str) -> str:
    if one.loss is None:
        return f"agrees with fp32 on {one.agreement:.2%} of the pixels (no labels to judge by)"
    return f"loses {one.loss:.2f} points of {metric} (budget {budget:g})"


def _against(best: Candidate, others: Sequence[Candidate], engine: str) -> str:
    times = ", ".join(f"{one.precision} {one.frame_ms:.2f}" for one in others)
    sizes = ", ".join(f"{one.precision} {one.megabytes:.2f}" for one in others)
    return (
        f"{best.frame_ms:.2f} ms{f' ({times})' if times else ''} on {engine}; "
        f"{best.megabytes:.2f} MB{f' ({sizes})' if sizes else ''}"
    )
