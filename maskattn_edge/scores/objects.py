"""Objects of pictures as run lengths: what mask AP compares, and COCO's files hold.

Run lengths go down the columns and are compressed to text as in the COCO API, whose form every
evaluator of masks reads. `faster-coco-eval` does the coding (extra `evaluate`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import ModuleType

import numpy as np
from numpy.typing import NDArray

from maskattn_edge.contract.errors import ContractError
from maskattn_edge.optional import require
from maskattn_edge.segments import Segments


@dataclass(frozen=True, kw_only=True)
class ObjectMask:
    """One object of a picture.

    Args:
        label: index of its class.
        counts: its mask as compressed run lengths.
        area: in pixels; official truth may state that of its polygon.
        score: how sure an answer is, in [0, 1].
        crowd: whether it is a group of objects that are not told apart.
    """

    label: int
    counts: bytes
    area: float
    score: float = 1.0
    crowd: bool = False


def object_masks(segments: Segments, things: NDArray[np.bool_]) -> tuple[ObjectMask, ...]:
    """The segments of thing classes, in their order; those without a pixel are left out.

    Args:
        segments: of one picture.
        things: (K,) bool, which classes are things.

    Raises:
        ContractError: a segment's class is K or above.
        MissingDependencyError: faster-coco-eval is not installed.
    """
    coder = mask_coder()
    if len(segments) and int(segments.label.max()) >= len(things):
        raise ContractError(
            f"a segment has class {int(segments.label.max())}, but the classes are 0 to "
            f"{len(things) - 1}"
        )
    areas = segments.areas()
    by_column = np.asfortranarray(segments.map)
    return tuple(
        ObjectMask(
            label=int(segments.label[row]),
            counts=coder.encode((by_column == row + 1).view(np.uint8)[..., np.newaxis])[0][
                "counts"
            ],
            area=float(areas[row]),
            score=float(segments.score[row]),
            crowd=bool(segments.crowd[row]),
        )
        for row in np.flatnonzero(things[segments.label] & (areas > 0)).tolist()
    )


def annotated_object(
    segmentation: Mapping[str, object] | Sequence[Sequence[float]],
    *,
    label: int,
    height: int,
    width: int,
    area: float | None = None,
    crowd: bool = False,
) -> ObjectMask:
    """An object as COCO's annotation files describe it.

    Args:
        segmentation: polygons, each x0 y0 x1 y1 ..., or {"size", "counts"} with run lengths as
            numbers or as text.
        label: index of its class.
        height: of the picture.
        width: of the picture.
        area: as the file states it, which need not be that of the mask; counted if not given.
        crowd: the file's "iscrowd".

    Raises:
        ContractError: the segmentation is none of the three, or of another size.
        MissingDependencyError: faster-coco-eval is not installed.
    """
    coder = mask_coder()
    try:
        if not isinstance(segmentation, Mapping):
            rle = coder.merge(coder.frPyObjects(segmentation, height, width))
        elif isinstance(segmentation["counts"], bytes | str):
            rle = dict(segmentation)
        else:
            rle = coder.frPyObjects(dict(segmentation), height, width)
        size, measured = tuple(rle["size"]), float(coder.area(rle))
    except (KeyError, IndexError, TypeError, ValueError, RuntimeError) as error:
        raise ContractError(f"not a segmentation of COCO's form: {error}") from error
    if size != (height, width):
        raise ContractError(f"a segmentation of {size} in a picture of {(height, width)}")
    counts = rle["counts"]
    return ObjectMask(
        label=label,
        counts=counts.encode() if isinstance(counts, str) else counts,
        area=measured if area is None else area,
        crowd=crowd,
    )


def mask_coder() -> ModuleType:
    """The module that codes masks.

    Raises:
        MissingDependencyError: faster-coco-eval is not installed.
    """
    return require("faster_coco_eval.core.mask", purpose="mask AP", extra="evaluate")
