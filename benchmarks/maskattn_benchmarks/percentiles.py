"""Percentiles of latencies, as MLPerf LoadGen takes them: values that were measured, none between.

Ranks are whole numbers of thousandths, so that no rounding of 0.999 decides which frame counts.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from maskattn_edge.contract.errors import ContractError

RANKS = {"p50": 500, "p90": 900, "p99": 990, "p99.9": 999}
"""Name of a percentile -> its rank in thousandths."""

MIN_BEYOND = 10
"""Frames beyond a percentile that an interval needs: 1,000 frames for p99."""


def percentile(samples: NDArray[np.float64], per_mille: int) -> float:
    """The value that `per_mille` thousandths of the samples lie before.

    With n sorted values it is the one at index floor(n * per_mille / 1000), so that one stall in
    a thousand frames is p99.9.

    Args:
        samples: (frames,), at least one.
        per_mille: 0 to 999.

    Raises:
        ContractError: there is no sample, or the rank is out of range.

    Source:
        github.com/mlcommons/inference, loadgen/results.cc (index of a percentile).

    >>> percentile(np.array([4.0, 1.0, 2.0, 3.0]), 500)
    3.0
    """
    if not 0 <= per_mille <= 999 or samples.ndim != 1 or not len(samples):
        raise ContractError(
            f"a percentile needs samples and a rank of 0 to 999 thousandths, got shape "
            f"{samples.shape} and {per_mille}"
        )
    index = len(samples) * per_mille // 1000
    return float(np.partition(samples, index)[index])


@dataclass(frozen=True, kw_only=True)
class Distribution:
    """Of `count` values, in milliseconds. `p999` is None below 1,000 values: they do not tell it.

    `jitter` is the mean difference between one frame and the next, without its sign.
    """

    count: int
    mean: float
    p50: float
    p90: float
    p99: float
    p999: float | None
    max: float
    jitter: float | None


def distribution(samples: NDArray[np.float64], blocks: NDArray[np.int64]) -> Distribution:
    """The figures of one quantity.

    Args:
        samples: (frames,) in the order in which they were taken, at least one.
        blocks: (frames,) number of the block that a frame was taken in; jitter is counted within
            blocks, because other work lies between two of them.

    Raises:
        ContractError: there is no sample.
    """
    within = np.diff(blocks) == 0
    steps = np.abs(np.diff(samples))[within]
    return Distribution(
        count=len(samples),
        mean=float(samples.mean()) if len(samples) else 0.0,
        p50=percentile(samples, RANKS["p50"]),
        p90=percentile(samples, RANKS["p90"]),
        p99=percentile(samples, RANKS["p99"]),
        p999=percentile(samples, RANKS["p99.9"]) if len(samples) >= 1000 else None,
        max=float(samples.max()),
        jitter=float(steps.mean()) if len(steps) else None,
    )
