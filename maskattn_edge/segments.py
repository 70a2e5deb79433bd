"""A picture cut into segments: what panoptic and instance truth, and predictions, have in common.

Every pixel belongs to one segment or to none. A segment has a class; stuff has at most one segment
of each class, things have one per object. Scores, readers and training targets all speak in this
form, whatever file it came from.

Source: Kirillov et al., Panoptic Segmentation, CVPR 2019. arxiv.org/abs/1801.00868
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from maskattn_edge.contract.classes import IGNORE, ClassInfo
from maskattn_edge.contract.errors import ContractError
from maskattn_edge.segmentation import Instances, Segmentation

VOID = 0
"""In `Segments.map`: a pixel of no segment, which training and scores leave out."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Segments:
    """A map of segments, and what each of them is.

    Args:
        map: (H, W) uint16, `VOID` or the number of a segment, 1..S.
        label: (S,) uint8, the class of segment k at k - 1.
        crowd: (S,) bool, whether a segment is a group of objects that are not told apart; False
            for all if not given. Training ignores crowds, scores treat them as the official
            evaluators do.
        score: (S,) float32 in [0, 1], how sure a prediction is; 1 for all if not given.

    Raises:
        ContractError: an array has another shape or dtype, the map names a segment that is not in
            the tables, or a class is 255.
    """

    map: NDArray[np.uint16]
    label: NDArray[np.uint8]
    crowd: NDArray[np.bool_] = field(default=None)  # type: ignore[arg-type]
    score: NDArray[np.float32] = field(default=None)  # type: ignore[arg-type]

    def __post_init__(self) -> None:
        if self.crowd is None:
            object.__setattr__(self, "crowd", np.zeros(len(self.label), bool))
        if self.score is None:
            object.__setattr__(self, "score", np.ones(len(self.label), np.float32))
        _check("a segment map", self.map, np.uint16, 2)
        _check("segment classes", self.label, np.uint8, 1)
        _check("segment crowds", self.crowd, np.bool_, 1)
        _check("segment scores", self.score, np.float32, 1)
        count = len(self.label)
        if len(self.crowd) != count or len(self.score) != count:
            raise ContractError(
                f"segment tables differ in length: {count} classes, {len(self.crowd)} crowds, "
                f"{len(self.score)} scores"
            )
        if self.map.size and int(self.map.max()) > count:
            raise ContractError(
                f"the segment map names segment {int(self.map.max())}, the tables have {count}"
            )
        if (self.label == IGNORE).any():
            raise ContractError(f"a segment has class {IGNORE}, which is none: leave it void")

    def __len__(self) -> int:
        return len(self.label)

    def labels(self, *, crowds: bool = True) -> NDArray[np.uint8]:
        """The class of each pixel, (H, W) uint8, 255 where void; crowds too if not `crowds`."""
        known = self.label if crowds else np.where(self.crowd, np.uint8(IGNORE), self.label)
        table = np.concatenate([np.array([IGNORE], np.uint8), known])
        return table[self.map]

    def areas(self) -> NDArray[np.int64]:
        """Pixels of each segment, (S,); 0 for one that is listed but covered."""
        return np.bincount(self.map.ravel(), minlength=len(self) + 1)[1:]


def segments_of(result: Segmentation) -> Segments:
    """The segments of an answer, on the network's grid.

    Objects come first, in the order of the answer's tables, then one segment for each class that
    is stuff. Pixels of a thing class that belong to no object are void, as the panoptic format
    has it; where the task finds no objects, each class is one segment.
    """
    return joined_segments(result.labels, result.instances, result.spec.classes)


def joined_segments(
    labels: NDArray[np.uint8], found: Instances | None, classes: Sequence[ClassInfo]
) -> Segments:
    """`segments_of` an answer's parts: labels (H, W) uint8, objects if any, the labels' classes."""
    segment_map = np.zeros(labels.shape, np.uint16)
    label: list[int] = []
    score: list[float] = []
    if found is not None:
        for row in np.flatnonzero(found.score > 0):
            label.append(int(found.label[row]))
            score.append(float(found.score[row]))
            segment_map[found.map == row + 1] = len(label)
    for value in np.unique(labels):
        if value == IGNORE or (found is not None and _is_thing(int(value), classes)):
            continue
        label.append(int(value))
        score.append(1.0)
        segment_map[(labels == value) & (segment_map == VOID)] = len(label)
    return Segments(
        map=segment_map,
        label=np.array(label, np.uint8),
        score=np.array(score, np.float32),
    )


def segments_of_maps(
    labels: NDArray[np.uint8], instances: NDArray[np.uint8], classes: Sequence[ClassInfo]
) -> Segments:
    """Segments of stored truth, as training data and checkpoints keep it.

    Things outside every instance are a crowd of their class: which objects they belong to is not
    known.

    Args:
        labels: (H, W) uint8, 255 = void.
        instances: (H, W) uint8, 0 = none, else the number of an object, whose class is the one
            that most of its pixels have.
        classes: of the labels.
    """
    known = labels != IGNORE
    segment_map = np.zeros(labels.shape, np.uint16)
    label: list[int] = []
    crowd: list[bool] = []
    for number in np.unique(instances[known & (instances > 0)]):
        inside = known & (instances == number)
        label.append(int(np.bincount(labels[inside]).argmax()))
        crowd.append(False)
        segment_map[inside] = len(label)
    for value in np.unique(labels[known & (segment_map == VOID)]):
        label.append(int(value))
        crowd.append(_is_thing(int(value), classes))
        segment_map[(labels == value) & (segment_map == VOID)] = len(label)
    return Segments(map=segment_map, label=np.array(label, np.uint8), crowd=np.array(crowd, bool))


def _is_thing(label: int, classes: Sequence[ClassInfo]) -> bool:
    return label < len(classes) and classes[label].thing


def _check(what: str, array: NDArray[np.generic], dtype: type[np.generic], ndim: int) -> None:
    if array.dtype != dtype or array.ndim != ndim:
        raise ContractError(
            f"{what} must be {ndim}-dimensional {np.dtype(dtype)}, got shape {array.shape} of "
            f"{array.dtype}"
        )
