"""Mask AP as COCO defines it, computed by `faster-coco-eval` (extra `evaluate`).

IoU .50:.05:.95, 101 points of recall, the 100 surest answers of each class in a picture; a crowd
is never missed, and answers on it are not held against a model.

Source: Lin et al., Microsoft COCO, ECCV 2014. arxiv.org/abs/1405.0312; cocodataset.org
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from maskattn_edge.contract.errors import ContractError
from maskattn_edge.optional import require
from maskattn_edge.scores.objects import ObjectMask

SMALL, MEDIUM = 32**2, 96**2
"""Objects below so many pixels of the picture are small and medium; the rest is large."""


@dataclass(frozen=True, kw_only=True)
class PictureObjects:
    """True and found objects of one picture of `height` x `width` pixels."""

    height: int
    width: int
    truth: tuple[ObjectMask, ...]
    found: tuple[ObjectMask, ...]


class ClassPrecision(NamedTuple):
    """AP of each class, (K,) float64 in [0, 1]; NaN where a class has no true object to find.

    Mean over IoU .50:.95; at .50; at .75; and the mean for small, medium and large objects.
    """

    ap: NDArray[np.float64]
    ap50: NDArray[np.float64]
    ap75: NDArray[np.float64]
    ap_small: NDArray[np.float64]
    ap_medium: NDArray[np.float64]
    ap_large: NDArray[np.float64]


class Precision(NamedTuple):
    """`ClassPrecision` averaged over the classes that have a value; NaN where none has."""

    ap: float
    ap50: float
    ap75: float
    ap_small: float
    ap_medium: float
    ap_large: float


def average_precision(pictures: tuple[PictureObjects, ...], *, classes: int) -> ClassPrecision:
    """AP of each class over a whole data set: ranks go through all pictures.

    Args:
        pictures: of the data set; those of parts of it are joined by `+`.
        classes: K, 1 to 255.

    Raises:
        ContractError: an object's class is K or above.
        MissingDependencyError: faster-coco-eval is not installed.
    """
    package = require("faster_coco_eval", purpose="mask AP", extra="evaluate")
    truth, found = (package.COCO(_dataset(pictures, side, classes)) for side in ("truth", "found"))
    judge = package.COCOeval_faster(truth, found, iouType="segm")
    judge.evaluate()
    judge.accumulate()
    # (10 IoU, 101 recall, K, 4 areas, 3 numbers of detections); -1 where nothing is to be found
    precision = np.asarray(judge.eval["precision"], np.float64)[..., -1]
    precision[precision < 0] = np.nan
    every, *by_area = (precision[..., area] for area in range(4))
    return ClassPrecision(
        _per_class(every),
        _per_class(every[:1]),
        _per_class(every[5:6]),
        *(_per_class(part) for part in by_area),
    )


def mean_precision(precision: ClassPrecision) -> Precision:
    """Means over the classes that have a value."""
    means = []
    for part in precision:
        seen = part[~np.isnan(part)]
        means.append(float(seen.mean()) if seen.size else float("nan"))
    return Precision(*means)


def _per_class(precision: NDArray[np.float64]) -> NDArray[np.float64]:
    """Mean over IoU and recall, which for a class have all a value or none has, (K,)."""
    return np.asarray(precision.mean(axis=(0, 1)))


def _dataset(pictures: tuple[PictureObjects, ...], side: str, classes: int) -> dict[str, Any]:
    return {
        "images": [
            {"id": number, "height": picture.height, "width": picture.width}
            for number, picture in enumerate(pictures, start=1)
        ],
        "annotations": _annotations(pictures, side, classes),
        "categories": [{"id": label + 1, "name": str(label)} for label in range(classes)],
    }


def _annotations(
    pictures: tuple[PictureObjects, ...], side: str, classes: int
) -> list[dict[str, Any]]:
    entries: list[dict[str, Any]] = []
    for image_id, picture in enumerate(pictures, start=1):
        size = [picture.height, picture.width]
        for item in getattr(picture, side):
            if not 0 <= item.label < classes:
                raise ContractError(
                    f"an object has class {item.label}, but the classes are 0 to {classes - 1}"
                )
            entry = {
                "id": len(entries) + 1,
                "image_id": image_id,
                "category_id": item.label + 1,
                "segmentation": {"size": size, "counts": item.counts},
                "area": item.area,
                "iscrowd": int(item.crowd),
                "score": item.score,
            }
            entries.append(entry)
    return entries
