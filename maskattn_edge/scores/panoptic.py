"""Panoptic quality: counts of matched segments that add up over a data set, and what follows.

The rules are those of panopticapi's evaluator, on `Segments`:

- A true and a predicted segment match if they have one class and an IoU above 0.5; such a match
  is unique. Predicted pixels on void are left out of the union.
- A true segment without a match is a false negative, unless it is a crowd.
- A predicted segment without a match is a false positive, unless more than half of it lies on
  void or on the crowd of its class. Where truth lists several crowds of a class, the last one
  counts, as in panopticapi; official data has at most one.
- Classes without any of the three are left out of means.

Segments without a pixel count nowhere: at this size of the picture they do not exist.

Source: Kirillov et al., Panoptic Segmentation, CVPR 2019. arxiv.org/abs/1801.00868
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from maskattn_edge.contract.errors import ContractError
from maskattn_edge.scores.pairs import SegmentPairs, pair_pixels
from maskattn_edge.segments import Segments


@dataclass(frozen=True, kw_only=True, eq=False)
class PanopticCounts:
    """What panoptic quality is made of, by class; counts of images add up to those of a data set.

    Args:
        iou_sum: (K,) float64, sum of the IoU of matched segments.
        tp: (K,) int64, matched segments.
        fp: (K,) int64, predicted segments without a match that count.
        fn: (K,) int64, true segments without a match that count.

    Raises:
        ContractError: the arrays differ in length, or one has another dtype.
    """

    iou_sum: NDArray[np.float64]
    tp: NDArray[np.int64]
    fp: NDArray[np.int64]
    fn: NDArray[np.int64]

    def __post_init__(self) -> None:
        shape = self.iou_sum.shape
        if len(shape) != 1 or self.iou_sum.dtype != np.float64:
            raise ContractError(f"IoU sums are (K,) float64, got {shape} of {self.iou_sum.dtype}")
        for name in ("tp", "fp", "fn"):
            counts = getattr(self, name)
            if counts.shape != shape or counts.dtype != np.int64:
                raise ContractError(
                    f"{name} is {shape} int64 like the IoU sums, got {counts.shape} of "
                    f"{counts.dtype}"
                )

    @classmethod
    def none(cls, classes: int) -> PanopticCounts:
        """The counts of no image: where a sum begins."""
        zeros = np.zeros(classes, np.int64)
        return cls(iou_sum=np.zeros(classes), tp=zeros, fp=zeros, fn=zeros)

    def __len__(self) -> int:
        return len(self.iou_sum)

    def __add__(self, other: PanopticCounts) -> PanopticCounts:
        if len(self) != len(other):
            raise ContractError(
                f"counts of {len(self)} and of {len(other)} classes cannot be added"
            )
        return PanopticCounts(
            iou_sum=self.iou_sum + other.iou_sum,
            tp=self.tp + other.tp,
            fp=self.fp + other.fp,
            fn=self.fn + other.fn,
        )


class Quality(NamedTuple):
    """PQ, and the two factors that it splits into: PQ = SQ x RQ for each class.

    Fractions in [0, 1]; NaN only where no class was seen.
    """

    pq: float
    sq: float
    rq: float


class ClassQuality(NamedTuple):
    """PQ, SQ, RQ of each class, (K,) float64 in [0, 1]; NaN only where a class was not seen."""

    pq: NDArray[np.float64]
    sq: NDArray[np.float64]
    rq: NDArray[np.float64]


def panoptic_counts(truth: Segments, prediction: Segments, *, classes: int) -> PanopticCounts:
    """Match the segments of one picture.

    Args:
        truth: with crowds where there are any.
        prediction: of the same size; its crowds and scores mean nothing here.
        classes: K, 1 to 255.

    Raises:
        ContractError: the maps differ in size, or a segment's class is K or above.

    >>> square = np.zeros((4, 4), np.uint16)
    >>> square[:, 1:] = 1
    >>> truth = Segments(map=square, label=np.array([0], np.uint8))
    >>> whole = Segments(map=np.ones((4, 4), np.uint16), label=np.array([0], np.uint8))
    >>> panoptic_counts(truth, whole, classes=1)  # the column on void is left out of the union
    PanopticCounts(iou_sum=array([1.]), tp=array([1]), fp=array([0]), fn=array([0]))
    """
    for what, segments in (("truth", truth), ("prediction", prediction)):
        if len(segments) and int(segments.label.max()) >= classes:
            raise ContractError(
                f"{what} has a segment of class {int(segments.label.max())}, but the classes are "
                f"0 to {classes - 1}"
            )
    pairs = pair_pixels(truth, prediction)
    hit, iou = _matches(pairs, truth, prediction)
    missed = np.ones(len(truth), bool)
    missed[pairs.truth[hit] - 1] = False
    missed &= ~truth.crowd & (pairs.truth_area > 0)
    surplus = np.ones(len(prediction), bool)
    surplus[pairs.prediction[hit] - 1] = False
    surplus &= (pairs.prediction_area > 0) & ~_excused(pairs, truth, prediction)
    label = truth.label[pairs.truth[hit] - 1]
    return PanopticCounts(
        iou_sum=np.bincount(label, weights=iou, minlength=classes).astype(np.float64),
        tp=np.bincount(label, minlength=classes),
        fp=np.bincount(prediction.label[surplus], minlength=classes),
        fn=np.bincount(truth.label[missed], minlength=classes),
    )


def quality_per_class(counts: PanopticCounts) -> ClassQuality:
    """PQ, SQ and RQ of each class; a class that was seen but never matched has 0 for all three."""
    halves = counts.tp + 0.5 * (counts.fp + counts.fn)
    pq, sq, rq = (np.full(len(counts), np.nan) for _ in range(3))
    seen = halves > 0
    sq[seen] = 0.0
    np.divide(counts.iou_sum, halves, out=pq, where=seen)
    np.divide(counts.iou_sum, counts.tp, out=sq, where=counts.tp > 0)
    np.divide(counts.tp, halves, out=rq, where=seen)
    return ClassQuality(pq, sq, rq)


def mean_quality(counts: PanopticCounts, which: NDArray[np.bool_] | None = None) -> Quality:
    """Means of `quality_per_class` over the classes that were seen.

    Args:
        counts: of K classes.
        which: (K,) bool, e.g. the classes that are things; all if not given.

    Raises:
        ContractError: `which` has another shape or dtype.
    """
    if which is None:
        which = np.ones(len(counts), bool)
    if which.shape != (len(counts),) or which.dtype != np.bool_:
        raise ContractError(
            f"classes are chosen by ({len(counts)},) bool, got {which.shape} of {which.dtype}"
        )
    pq, sq, rq = quality_per_class(counts)
    chosen = which & ~np.isnan(pq)
    if not chosen.any():
        return Quality(float("nan"), float("nan"), float("nan"))
    return Quality(*(float(part[chosen].mean()) for part in (pq, sq, rq)))


def _matches(
    pairs: SegmentPairs, truth: Segments, prediction: Segments
) -> tuple[NDArray[np.intp], NDArray[np.float64]]:
    """Which pairs match, as indices into `pairs`, and their IoU."""
    both = np.flatnonzero((pairs.truth > 0) & (pairs.prediction > 0))
    of_truth, of_prediction = pairs.truth[both] - 1, pairs.prediction[both] - 1
    same = truth.label[of_truth] == prediction.label[of_prediction]
    able = same & ~truth.crowd[of_truth]
    both, of_truth, of_prediction = both[able], of_truth[able], of_prediction[able]
    union = (
        pairs.truth_area[of_truth]
        + pairs.prediction_area[of_prediction]
        - pairs.pixels[both]
        - pairs.on_void[of_prediction]
    )
    iou = pairs.pixels[both] / union
    hit = iou > 0.5
    return both[hit], iou[hit]


def _excused(pairs: SegmentPairs, truth: Segments, prediction: Segments) -> NDArray[np.bool_]:
    """Predicted segments of which more than half lies on void or the crowd of their class."""
    crowd_of = np.zeros(256, np.intp)  # class -> the number of its crowd, 0 = none
    crowds = np.flatnonzero(truth.crowd & (pairs.truth_area > 0))
    crowd_of[truth.label[crowds]] = crowds + 1  # of several, the last is kept
    excused = pairs.on_void.copy()
    inside = np.flatnonzero((pairs.truth > 0) & (pairs.prediction > 0))
    label = prediction.label[pairs.prediction[inside] - 1]
    inside = inside[crowd_of[label] == pairs.truth[inside]]
    excused[pairs.prediction[inside] - 1] += pairs.pixels[inside]
    return np.asarray(2 * excused > pairs.prediction_area)
