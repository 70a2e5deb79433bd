"""The result of an evaluation: counts at two sizes and what follows from them."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from maskattn_edge.contract.classes import ClassInfo
from maskattn_edge.contract.errors import ContractError
from maskattn_edge.contract.spec import Task
from maskattn_edge.preprocess import Resize
from maskattn_edge.scores import ClassPrecision, PanopticCounts, iou_per_class, mean_iou


@dataclass(frozen=True, kw_only=True, eq=False)
class Evaluation:
    """Scores of a model on one split, on the network's grid and at the images' own size.

    Args:
        dataset: name of the data set.
        split: "train", "val" or "test".
        images: how many were evaluated.
        classes: K, by index.
        height: of the grid.
        width: of the grid.
        resize: how an image was brought to the grid.
        grid_confusion: (K, K) pixels of the grid, against area-majority labels; rows are truth.
        full_confusion: (K, K) pixels of the images; the grid's labels were enlarged by nearest
            neighbour.
        task: that it was scored as.
        min_area: of the segments that were made from plain labels, in pixels of the grid; None
            where the model itself found them.
        grid_panoptic: counts on the grid, for the panoptic task.
        full_panoptic: counts at the images' own size, for the panoptic task.
        grid_precision: mask AP on the grid, for the instance task.
        full_precision: mask AP at the images' own size, for the instance task.
        model: name of its file; empty, like the next two, for a model that is no file.
        model_sha256: of its file.
        runs_on: what computed the labels, e.g. "onnxruntime, CPU".
        keys_kept: share of the keys that each mask attention of a checkpoint kept, a fraction by
            the block's name; empty for a model file, which does not tell.

    Raises:
        ContractError: a confusion matrix is not (K, K).
    """

    dataset: str
    split: str
    images: int
    classes: tuple[ClassInfo, ...]
    height: int
    width: int
    resize: Resize
    grid_confusion: NDArray[np.int64]
    full_confusion: NDArray[np.int64]
    task: Task = "semantic"
    min_area: int | None = None
    grid_panoptic: PanopticCounts | None = None
    full_panoptic: PanopticCounts | None = None
    grid_precision: ClassPrecision | None = None
    full_precision: ClassPrecision | None = None
    model: str = ""
    model_sha256: str = ""
    runs_on: str = ""
    keys_kept: Mapping[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        expected = (len(self.classes),) * 2
        for confusion in (self.grid_confusion, self.full_confusion):
            if confusion.shape != expected:
                raise ContractError(
                    f"{len(self.classes)} classes have a confusion matrix of {expected}, got "
                    f"{confusion.shape}"
                )

    @property
    def grid_miou(self) -> float:
        """Mean IoU on the grid, a fraction; NaN where no pixel counts."""
        return mean_iou(self.grid_confusion)

    @property
    def full_miou(self) -> float:
        """Mean IoU at the images' own size, a fraction; NaN where no pixel counts."""
        return mean_iou(self.full_confusion)

    @property
    def grid_iou(self) -> NDArray[np.float64]:
        """IoU of each class on the grid, (K,); NaN for classes that do not occur."""
        return iou_per_class(self.grid_confusion)

    @property
    def full_iou(self) -> NDArray[np.float64]:
        """IoU of each class at the images' own size, (K,); NaN for classes that do not occur."""
        return iou_per_class(self.full_confusion)

    @property
    def grid_name(self) -> str:
        """What the first pair of scores is taken on, height first."""
        return f"{self.height}x{self.width} grid, area-majority labels"

    @property
    def full_name(self) -> str:
        """What the second pair of scores is taken on."""
        return "full size, grid labels enlarged by nearest neighbour"

    @property
    def things(self) -> NDArray[np.bool_]:
        """Which classes are things, (K,)."""
        return np.array([info.thing for info in self.classes], bool)

    @property
    def segments_name(self) -> str:
        """Where the segments of the answer come from; empty for the semantic task."""
        if self.task == "semantic":
            return ""
        if self.min_area is None:
            return "objects as the model tells them apart"
        return f"objects are connected regions of {self.min_area} or more pixels of the grid"


def percent(fraction: float) -> str:
    """As in "73.21"; "-" for NaN.

    >>> percent(0.73214), percent(float("nan"))
    ('73.21', '-')
    """
    return "-" if math.isnan(fraction) else f"{100 * fraction:.2f}"
