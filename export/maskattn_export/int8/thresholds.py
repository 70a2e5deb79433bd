"""Where a tensor's INT8 range ends: at its largest value, or below, for finer steps within.

All three take the histogram of a tensor's magnitudes over the calibration images. Values beyond
the threshold are clipped to it.

Source: Migacz, "8-bit inference with TensorRT", GTC 2017, for `entropy`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from maskattn_edge.contract.errors import ContractError

Method = Literal["max", "entropy", "percentile"]

BINS = 2048
"""Of a histogram; the fewest that entropy keeps are `LEVELS`."""

LEVELS = 128
"""Magnitudes that symmetric INT8 tells apart, zero included."""

PERCENTILE = 99.99

_STRIDE = 16  # bins between the thresholds that entropy compares


@dataclass(frozen=True, eq=False)
class Histogram:
    """Magnitudes of one tensor: (BINS,) counts of equal bins from 0 to `largest`.

    Raises:
        ContractError: the counts have another shape, or the largest magnitude is not a number.
    """

    counts: NDArray[np.int64]
    largest: float

    def __post_init__(self) -> None:
        if self.counts.shape != (BINS,):
            raise ContractError(f"a histogram has {BINS} bins, got shape {self.counts.shape}")
        if not 0 <= self.largest < np.inf:
            raise ContractError(
                f"a tensor's largest magnitude must be finite, got {self.largest}: the network "
                "overflows on a calibration image"
            )


def largest(histogram: Histogram) -> float:
    """Nothing is clipped."""
    return histogram.largest


def percentile(histogram: Histogram) -> float:
    """`PERCENTILE` % of all values are within."""
    share = np.cumsum(histogram.counts) / max(1, histogram.counts.sum())
    kept = int(np.searchsorted(share, PERCENTILE / 100)) + 1
    return histogram.largest * min(kept, BINS) / BINS


def entropy(histogram: Histogram) -> float:
    """The threshold whose `LEVELS` steps lose least of the distribution, by its divergence.

    Bin 0 is left out: zeros of a ReLU are exact in INT8, and would outweigh all else.
    """
    counts = histogram.counts.astype(np.float64)
    counts[0] = 0
    if not counts.any():
        return histogram.largest
    kept = range(LEVELS, BINS + 1, _STRIDE)
    losses = [_divergence(counts, bins) for bins in kept]
    return histogram.largest * kept[int(np.argmin(losses))] / BINS


def _divergence(counts: NDArray[np.float64], kept: int) -> float:
    """KL divergence of `counts`, clipped to `kept` bins, from its copy in `LEVELS` steps."""
    inside = counts[:kept]
    clipped = inside.copy()
    clipped[-1] += counts[kept:].sum()
    level = np.arange(kept) * LEVELS // kept  # step that each bin falls into
    used = inside > 0
    total = np.bincount(level, weights=inside, minlength=LEVELS)
    width = np.bincount(level, weights=used, minlength=LEVELS)
    coarse = np.where(used, (total / np.maximum(width, 1))[level], 0)
    if not coarse.any():
        return np.inf
    p, q = clipped / clipped.sum(), coarse / coarse.sum()
    there = p > 0
    return float(np.sum(p[there] * np.log(p[there] / np.maximum(q[there], 1e-9))))


METHODS: dict[Method, Callable[[Histogram], float]] = {
    "max": largest,
    "entropy": entropy,
    "percentile": percentile,
}
"""Calibrations that an export tries, by name."""
