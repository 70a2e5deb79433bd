"""How far a percentile may differ by chance: a bootstrap over blocks of frames.

Latencies of neighbouring frames depend on each other (clocks, caches, another program's burst), so
whole blocks are drawn, not frames. Where two runs were interleaved, the same blocks are drawn of
both: what disturbed a block disturbed its neighbour too, and falls out of the ratio.

Source: Efron and Tibshirani, An Introduction to the Bootstrap, 1993; Kuensch, The jackknife and
the bootstrap for general stationary observations, Annals of Statistics 17(3), 1989.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from maskattn_edge.contract.errors import ContractError

RESAMPLES = 2000
CONFIDENCE = 0.99
"""Of one interval. A comparison looks at several figures, each of which may be wrong by chance."""

MIN_BLOCKS = 10
_CHUNK = 4_000_000


@dataclass(frozen=True, kw_only=True)
class Interval:
    """Relative change of a percentile, as a fraction of the first run's: 0.03 is 3 % slower."""

    change: float
    low: float
    high: float


@dataclass(frozen=True, kw_only=True, eq=False)
class Blocked:
    """Samples (frames,) sorted by size, and the block of each, 0..blocks-1."""

    values: NDArray[np.float64]
    block: NDArray[np.int64]
    blocks: int


def blocked(samples: NDArray[np.float64], block: NDArray[np.int64]) -> Blocked:
    """Prepare samples for drawing.

    Raises:
        ContractError: the arrays are empty or differ in length.
    """
    if samples.shape != block.shape or samples.ndim != 1 or not len(samples):
        raise ContractError(
            f"samples and their blocks are (frames,), got {samples.shape} and {block.shape}"
        )
    names, number = np.unique(block, return_inverse=True)
    order = np.argsort(samples, kind="stable")
    return Blocked(values=samples[order], block=number[order], blocks=len(names))


def percentile_change(
    first: Blocked,
    second: Blocked,
    per_mille: Sequence[int],
    *,
    paired: bool,
    seed: int = 0,
    resamples: int = RESAMPLES,
    confidence: float = CONFIDENCE,
) -> list[Interval]:
    """How the percentiles of `second` differ from those of `first`.

    Args:
        first: the run that is compared with.
        second: the run that is judged.
        per_mille: ranks in thousandths.
        paired: block k of both was taken at the same time.
        seed: of the drawing.
        resamples: how often blocks are drawn.
        confidence: share of the drawn changes that the interval holds.

    Raises:
        ContractError: a run has fewer than `MIN_BLOCKS` blocks, paired runs have different
            numbers of them, or a percentile is zero.
    """
    if min(first.blocks, second.blocks) < MIN_BLOCKS:
        raise ContractError(
            f"an interval needs {MIN_BLOCKS} blocks of each run, got {first.blocks} and "
            f"{second.blocks}"
        )
    if paired and first.blocks != second.blocks:
        raise ContractError(
            f"paired runs have the same blocks, got {first.blocks} and {second.blocks}"
        )
    rng = np.random.default_rng(seed)
    drawn = _draw(rng, first.blocks, resamples)
    other = drawn if paired else _draw(rng, second.blocks, resamples)
    before, after = _percentiles(first, drawn, per_mille), _percentiles(second, other, per_mille)
    real = [_percentiles(run, np.ones((1, run.blocks), np.int64), per_mille)[0]
            for run in (first, second)]  # fmt: skip
    if not (before > 0).all() or not (real[0] > 0).all():
        raise ContractError("a percentile of the first run is 0 ms, which nothing is a share of")
    changes = after / before - 1
    tail = (1 - confidence) / 2
    low, high = np.quantile(changes, [tail, 1 - tail], axis=0)
    return [
        Interval(change=float(real[1][k] / real[0][k] - 1), low=float(low[k]), high=float(high[k]))
        for k in range(len(per_mille))
    ]


def _draw(rng: np.random.Generator, blocks: int, resamples: int) -> NDArray[np.int64]:
    """How often each block is drawn, (resamples, blocks)."""
    return rng.multinomial(blocks, np.full(blocks, 1 / blocks), size=resamples)


def _percentiles(
    run: Blocked, drawn: NDArray[np.int64], per_mille: Sequence[int]
) -> NDArray[np.float64]:
    """(resamples, ranks), by the definition of `percentiles.percentile`."""
    found = np.empty((len(drawn), len(per_mille)))
    step = max(1, _CHUNK // len(run.values))
    for start in range(0, len(drawn), step):
        weights = drawn[start : start + step, run.block]
        below = np.cumsum(weights, axis=1)
        for column, rank in enumerate(per_mille):
            index = below[:, -1:] * rank // 1000
            # The first value with more than `index` values up to and with it.
            found[start : start + step, column] = run.values[(below > index).argmax(axis=1)]
    return found
