"""How many pixels each pair of a true and a predicted segment shares."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from maskattn_edge.contract.errors import ContractError
from maskattn_edge.segments import VOID, Segments

_TABLE = 1 << 20
"""Up to so many pairs are counted in a table; beyond, sorting is faster and takes less memory."""


@dataclass(frozen=True, kw_only=True, eq=False)
class SegmentPairs:
    """The pairs of one picture that share pixels.

    Args:
        truth: (N,) int64, number of the true segment, `VOID` for none.
        prediction: (N,) int64, number of the predicted segment, `VOID` for none.
        pixels: (N,) int64 above 0, shared by both.
        truth_area: (T,) int64, pixels of each true segment.
        prediction_area: (P,) int64, pixels of each predicted segment.
        on_void: (P,) int64, those of them on void.
    """

    truth: NDArray[np.int64]
    prediction: NDArray[np.int64]
    pixels: NDArray[np.int64]
    truth_area: NDArray[np.int64]
    prediction_area: NDArray[np.int64]
    on_void: NDArray[np.int64]


def pair_pixels(truth: Segments, prediction: Segments) -> SegmentPairs:
    """Count the pixels of each pair in one pass.

    Raises:
        ContractError: the maps differ in size.
    """
    if truth.map.shape != prediction.map.shape:
        raise ContractError(
            f"truth has shape {truth.map.shape} and prediction {prediction.map.shape}: bring both "
            "to one size before they are compared"
        )
    width = len(prediction) + 1
    keys = (truth.map.astype(np.int64) * width + prediction.map).ravel()
    if (len(truth) + 1) * width <= _TABLE:
        table = np.bincount(keys)
        pairs = np.flatnonzero(table)
        pixels = table[pairs]
    else:
        pairs, pixels = np.unique(keys, return_counts=True)
    of_truth, of_prediction = np.divmod(pairs, width)
    void = of_truth == VOID
    return SegmentPairs(
        truth=of_truth,
        prediction=of_prediction,
        pixels=pixels,
        truth_area=_sums(of_truth, pixels, len(truth)),
        prediction_area=_sums(of_prediction, pixels, len(prediction)),
        on_void=_sums(of_prediction[void], pixels[void], len(prediction)),
    )


def _sums(
    numbers: NDArray[np.int64], pixels: NDArray[np.int64], segments: int
) -> NDArray[np.int64]:
    """Pixels of each segment, (segments,) int64; `VOID` is dropped."""
    # Weights are float64, which counts pixels exactly up to 2^53.
    sums = np.bincount(numbers, weights=pixels, minlength=segments + 1)[1:]
    return sums.astype(np.int64)
