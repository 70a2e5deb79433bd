"""Statistics of a study over its seeds."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass

from maskattn_models.study.results import RunResult, StudyResult


@dataclass(frozen=True, kw_only=True)
class Spread:
    """Of some numbers, at least one: mean, sample standard deviation, extremes, count.

    `deviation` is None for a single number, which has none.
    """

    mean: float
    deviation: float | None
    low: float
    high: float
    count: int


@dataclass(frozen=True, kw_only=True)
class ArmSummary:
    """One arm over its seeds; `miou` and `difference` are fractions.

    `difference` is to the baseline, seed by seed, over the seeds that both have; None where
    there are none, and for the baseline itself. `keys_kept` is the mean of each block.
    """

    name: str
    title: str
    images: int
    gflops: float
    parameters: int
    miou: Spread
    difference: Spread | None
    keys_kept: dict[str, float]


def spread_of(values: Sequence[float]) -> Spread:
    """Statistics of at least one number.

    >>> spread_of([1.0, 2.0, 4.5])
    Spread(mean=2.5, deviation=1.8027756377319946, low=1.0, high=4.5, count=3)
    """
    return Spread(
        mean=statistics.fmean(values),
        deviation=statistics.stdev(values) if len(values) > 1 else None,
        low=min(values),
        high=max(values),
        count=len(values),
    )


def to_percent(spread: Spread, *, sign: str = "") -> str:
    """A spread of fractions for people; `sign` "+" shows that of positive ones too.

    >>> to_percent(spread_of([0.50, 0.52]))
    '51.00 ± 1.41'
    """
    deviation = "" if spread.deviation is None else f" ± {100 * spread.deviation:.2f}"
    return f"{100 * spread.mean:{sign}.2f}{deviation}"


def summarise(result: StudyResult) -> list[ArmSummary]:
    """The arms that have a complete run, in the study's order."""
    baseline = result.of_arm(result.baseline)
    return [
        _summary(arm, title, runs, {} if arm == result.baseline else baseline)
        for arm, title in result.arms.items()
        if (runs := result.of_arm(arm))
    ]


def _summary(
    arm: str, title: str, runs: dict[int, RunResult], baseline: dict[int, RunResult]
) -> ArmSummary:
    differences = [run.miou - baseline[seed].miou for seed, run in runs.items() if seed in baseline]
    some = next(iter(runs.values()))
    return ArmSummary(
        name=arm,
        title=title,
        images=some.images,
        gflops=some.gflops,
        parameters=some.parameters,
        miou=spread_of([run.miou for run in runs.values()]),
        difference=spread_of(differences) if differences else None,
        keys_kept={
            block: statistics.fmean(run.keys_kept[block] for run in runs.values())
            for block in some.keys_kept
        },
    )


def table(result: StudyResult) -> tuple[list[str], list[list[str]]]:
    """Headings and rows for people, in percent; the first column is text, the others numbers.

    What is the same in all rows, or in none, is left out.
    """
    arms = summarise(result)
    columns = [("", [arm.title for arm in arms])]
    if len({arm.images for arm in arms}) > 1:
        columns.append(("images", [f"{arm.images:,}" for arm in arms]))
    columns += [
        ("GFLOPs", [f"{arm.gflops:.2f}" for arm in arms]),
        ("M params", [f"{arm.parameters / 1e6:.2f}" for arm in arms]),
        ("seeds", [str(arm.miou.count) for arm in arms]),
        ("mIoU, %", [to_percent(arm.miou) for arm in arms]),
        ("min..max", [f"{100 * arm.miou.low:.2f}..{100 * arm.miou.high:.2f}" for arm in arms]),
        ("difference", [_difference(arm) for arm in arms]),
    ]
    if any(arm.keys_kept for arm in arms):
        columns.append(("keys kept, %", [_kept(arm.keys_kept) for arm in arms]))
    rows = zip(*(cells for _, cells in columns), strict=True)
    return [heading for heading, _ in columns], [list(row) for row in rows]


def _difference(arm: ArmSummary) -> str:
    return "" if arm.difference is None else to_percent(arm.difference, sign="+")


def _kept(shares: dict[str, float]) -> str:
    return " / ".join(f"{100 * share:.0f}" for share in shares.values())
