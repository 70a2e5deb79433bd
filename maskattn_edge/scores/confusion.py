"""The confusion matrix of label maps, and the scores that follow from it.

Matrices of single images add up to that of a data set; scores are taken from the sum once, never
averaged over images.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from maskattn_edge.contract.classes import IGNORE, MAX_CLASSES
from maskattn_edge.contract.errors import ContractError


def confusion_matrix(
    truth: NDArray[np.uint8],
    prediction: NDArray[np.uint8],
    *,
    classes: int,
    ignore: int = IGNORE,
) -> NDArray[np.int64]:
    """Count the pixels of each pair of true and predicted class.

    Args:
        truth: (...) uint8 class of each pixel, or `ignore` where nothing is counted.
        prediction: uint8 of the same shape.
        classes: K, 1 to 255.
        ignore: the label of `truth` that is left out.

    Returns:
        (K, K) counts of pixels; rows are truth, columns prediction.

    Raises:
        ContractError: shapes differ, an array is not uint8, `truth` holds a value that is neither
            a class nor `ignore`, or `prediction` one that is no class where truth counts.

    >>> truth = np.array([[0, 1], [1, 255]], np.uint8)
    >>> confusion_matrix(truth, np.array([[0, 1], [0, 0]], np.uint8), classes=2)
    array([[1, 0],
           [1, 1]])
    """
    if not 1 <= classes <= MAX_CLASSES:
        raise ContractError(f"labels have 1 to {MAX_CLASSES} classes, got {classes}")
    if truth.dtype != np.uint8 or prediction.dtype != np.uint8:
        raise ContractError(
            f"labels are uint8, got truth of {truth.dtype} and prediction of {prediction.dtype}"
        )
    if truth.shape != prediction.shape:
        raise ContractError(
            f"truth has shape {truth.shape} and prediction {prediction.shape}: bring both to one "
            "size before they are compared"
        )
    # Counting all 256 x 256 pairs is one pass and needs no mask; what is out of range shows after.
    pairs = truth.astype(np.uint16) << 8 | prediction
    counts = np.bincount(pairs.ravel(), minlength=1 << 16).reshape(256, 256)
    counts[ignore : ignore + 1] = 0
    if counts[classes:].any():
        raise ContractError(f"truth holds {_first(counts[classes:].sum(axis=1), classes)}")
    if counts[:, classes:].any():
        raise ContractError(f"prediction holds {_first(counts[:, classes:].sum(axis=0), classes)}")
    return counts[:classes, :classes].astype(np.int64)


def _first(pixels: NDArray[np.int64], classes: int) -> str:
    value = classes + int(np.argmax(pixels > 0))
    return f"the value {value} where pixels count, but the classes are 0 to {classes - 1}"


def iou_per_class(confusion: NDArray[np.int64]) -> NDArray[np.float64]:
    """Intersection over union of each class over a whole data set.

    Args:
        confusion: (K, K) counts of pixels; rows are truth, columns prediction.

    Returns:
        (K,) fractions in [0, 1]; NaN where a class is in neither truth nor
        prediction, so that the caller decides how to average.

    Raises:
        ContractError: `confusion` is not square.

    Source:
        Long et al., CVPR 2015, section 5 (mean IU). arxiv.org/abs/1411.4038

    >>> iou_per_class(np.array([[3, 1], [0, 4]]))
    array([0.75, 0.8 ])
    """
    _check_square(confusion)
    hit = np.diag(confusion).astype(np.float64)
    union = confusion.sum(axis=0) + confusion.sum(axis=1) - hit
    iou = np.full(len(hit), np.nan)
    np.divide(hit, union, out=iou, where=union > 0)
    return iou


def mean_iou(confusion: NDArray[np.int64]) -> float:
    """Mean of `iou_per_class` over the classes that are in truth or prediction.

    Args:
        confusion: (K, K) counts of pixels; rows are truth, columns prediction.

    Returns:
        A fraction in [0, 1]; NaN where no pixel was counted.

    Raises:
        ContractError: `confusion` is not square.

    >>> mean_iou(np.array([[3, 1, 0], [0, 4, 0], [0, 0, 0]]))
    0.775
    """
    iou = iou_per_class(confusion)
    seen = iou[~np.isnan(iou)]
    return float(seen.mean()) if seen.size else float("nan")


def pixel_accuracy(confusion: NDArray[np.int64]) -> float:
    """Share of the counted pixels whose class was predicted.

    Args:
        confusion: (K, K) counts of pixels; rows are truth, columns prediction.

    Returns:
        A fraction in [0, 1]; NaN where no pixel was counted.

    Raises:
        ContractError: `confusion` is not square.

    >>> pixel_accuracy(np.array([[3, 1], [0, 4]]))
    0.875
    """
    _check_square(confusion)
    total = int(confusion.sum())
    return float(np.trace(confusion)) / total if total else float("nan")


def _check_square(confusion: NDArray[np.int64]) -> None:
    if confusion.ndim != 2 or confusion.shape[0] != confusion.shape[1]:
        raise ContractError(
            f"confusion must be square, (K, K), but has shape {confusion.shape}; "
            "build it with confusion_matrix(truth, prediction, classes=K)"
        )
