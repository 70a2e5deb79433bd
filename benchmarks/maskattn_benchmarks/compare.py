"""Which differences between two benchmarks are real."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from maskattn_benchmarks.bootstrap import (
    CONFIDENCE,
    MIN_BLOCKS,
    Interval,
    blocked,
    percentile_change,
)
from maskattn_benchmarks.percentiles import MIN_BEYOND, RANKS, percentile
from maskattn_benchmarks.results import METRICS, Metric, Report, Run, Samples
from maskattn_edge.contract.errors import ContractError, UsageError

Verdict = Literal["faster", "slower", "can't tell"]
COMPARED = ("p50", "p99")


@dataclass(frozen=True, kw_only=True)
class Difference:
    """One figure of two runs, in milliseconds; `interval` is None where there are too few frames.

    `note` says why nothing can be told, or is empty: too few frames, or runs that were not
    interleaved and of which one was disturbed, so that the machine may have made the difference.
    """

    baseline: str
    candidate: str
    metric: Metric
    figure: str
    before: float
    after: float
    interval: Interval | None
    note: str = ""

    @property
    def verdict(self) -> Verdict:
        """Whether the interval leaves out zero, and on which side."""
        if self.note or self.interval is None or self.interval.low <= 0 <= self.interval.high:
            return "can't tell"
        return "slower" if self.interval.low > 0 else "faster"

    def regressed(self, limit: float) -> bool:
        """Whether it is slower, and by more than `limit`, a fraction."""
        slower = self.verdict == "slower"
        return slower and self.interval is not None and self.interval.change > limit


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """All differences, and what makes them less certain than their intervals say."""

    differences: tuple[Difference, ...]
    paired: bool
    caveats: tuple[str, ...]


def compare(
    first: Report,
    second: Report,
    *,
    baseline: str | None = None,
    candidate: str | None = None,
    seed: int = 0,
) -> Comparison:
    """Compare runs by name, or the two runs that are named.

    Args:
        first: holds the baseline.
        second: holds what is judged; may be the same report.
        baseline: name of a run in `first`; None takes those whose name both have, or the only one.
        candidate: name of a run in `second`; `baseline` if not given.
        seed: of the bootstrap.

    Raises:
        UsageError: no run has the name, nothing fits together, or a run has no frames.
    """
    pairs = _pairs(first, second, baseline, candidate)
    paired = first.session == second.session and first.settings.interleave
    differences = [
        difference
        for before, after in pairs
        for metric in METRICS
        for difference in _differences(before, after, metric, paired, seed)
    ]
    return Comparison(
        differences=tuple(differences),
        paired=paired,
        caveats=_caveats(first, second, pairs, paired),
    )


def _pairs(
    first: Report, second: Report, baseline: str | None, candidate: str | None
) -> list[tuple[Run, Run]]:
    left = {run.name: run for run in first.runs if len(run.steady)}
    right = {run.name: run for run in second.runs if len(run.steady)}
    if not left or not right:
        raise UsageError("a report has no run with timed frames: nothing can be compared")
    if baseline is not None or candidate is not None:
        names = baseline or candidate or "", candidate or baseline or ""
        return [(_named(left, names[0], "first"), _named(right, names[1], "second"))]
    if len(left) == len(right) == 1:
        return [(next(iter(left.values())), next(iter(right.values())))]
    common = [(left[name], right[name]) for name in left if name in right]
    if not common:
        raise UsageError(
            f"the reports have no run of the same name: the first has {', '.join(left)}, the "
            f"second {', '.join(right)}; choose with --baseline and --candidate"
        )
    return common


def _named(runs: dict[str, Run], name: str, which: str) -> Run:
    if name not in runs:
        raise UsageError(f"the {which} report has no run {name!r}; available: {', '.join(runs)}")
    return runs[name]


def _differences(
    before: Run, after: Run, metric: Metric, paired: bool, seed: int
) -> list[Difference]:
    kept = _common(before.steady, after.steady) if paired else (before.steady, after.steady)
    left, right = (blocked(samples.of(metric), samples.blocks) for samples in kept)
    fewest = min(len(left.values), len(right.values))
    notes = {figure: _note(figure, fewest, min(left.blocks, right.blocks)) for figure in COMPARED}
    told = [figure for figure in COMPARED if not notes[figure]]
    ranks = [RANKS[figure] for figure in told]
    try:
        intervals = percentile_change(left, right, ranks, paired=paired, seed=seed) if told else []
    except ContractError as error:
        raise UsageError(f"{before.name} and {after.name}, {metric}: {error}") from error
    spoiled = not paired and (before.disturbed or after.disturbed)
    disturbed = "disturbed, and not interleaved" if spoiled else ""
    by_figure = dict(zip(told, intervals, strict=True))
    return [
        Difference(
            baseline=before.name,
            candidate=after.name,
            metric=metric,
            figure=figure,
            before=percentile(left.values, RANKS[figure]),
            after=percentile(right.values, RANKS[figure]),
            interval=by_figure.get(figure),
            note=notes[figure] or disturbed,
        )
        for figure in COMPARED
    ]


def _note(figure: str, frames: int, blocks: int) -> str:
    needed = MIN_BEYOND * 1000 // (1000 - RANKS[figure])
    if frames < needed:
        return f"needs {needed:,} frames, has {frames:,}"
    return f"needs {MIN_BLOCKS} blocks of frames, has {blocks}" if blocks < MIN_BLOCKS else ""


def _common(before: Samples, after: Samples) -> tuple[Samples, Samples]:
    """The frames of blocks that both have: a run that failed or was killed may lack the last."""
    both = set(before.block) & set(after.block)
    return _of_blocks(before, both), _of_blocks(after, both)


def _of_blocks(samples: Samples, blocks: set[int]) -> Samples:
    rows = [row for row, block in enumerate(samples.block) if block in blocks]
    if len(rows) == len(samples):
        return samples
    if not rows:
        raise UsageError("the interleaved runs have no block in common")
    columns = {name: tuple(column[row] for row in rows)
               for name in samples.__struct_fields__
               if len(column := getattr(samples, name))}  # fmt: skip
    return Samples(**columns)


def _caveats(
    first: Report, second: Report, pairs: list[tuple[Run, Run]], paired: bool
) -> tuple[str, ...]:
    said = []
    if not paired:
        said.append(
            "The runs were not interleaved: a change of the machine between them counts as a "
            "difference. `benchmark --interleave` takes both at once."
        )
    for key in ("CPU", "cores this process may use", "GPU", "CPU governor", "power mode"):
        values = first.conditions.facts.get(key), second.conditions.facts.get(key)
        if values[0] != values[1]:
            said.append(f"{key} differs: {values[0] or 'unknown'} and {values[1] or 'unknown'}.")
    reports = {"both": first} if first == second else {"first": first, "second": second}
    for which, report in reports.items():
        said += [f"Of {which}: {text}" for text in report.warnings]
        if not report.complete:
            said.append(f"Of {which}: the benchmark was ended before it was done.")
    if first.settings.threads != second.settings.threads:
        said.append("The runs used different numbers of threads.")
    said += [f"{run.name} failed: {run.failure}" for pair in pairs for run in pair if run.failure]
    said += [f"{run.name} not run: {run.not_run}" for pair in pairs for run in pair if run.not_run]
    level = f"{100 * CONFIDENCE:.0f} %"
    return (*dict.fromkeys(said), f"Each interval holds {level} of the changes that chance makes.")


def fraction(text: str) -> float:
    """A share such as `5%` or `0.05`, as a fraction.

    Raises:
        UsageError: it is no number, or negative.

    >>> fraction("5%"), fraction("0.05")
    (0.05, 0.05)
    """
    number, percent, rest = text.strip().partition("%")
    try:
        value = float(number) / (100 if percent else 1)
    except ValueError:
        value = -1.0
    if rest or not 0 <= value < float("inf"):
        raise UsageError(f"a share is written as in 5% or 0.05, got {text!r}")
    return value
