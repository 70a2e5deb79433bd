"""The result of an evaluation: two confusion matrices and what follows from them."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import msgspec
import numpy as np
from numpy.typing import NDArray

from maskattn_edge.contract.atomic import write_text
from maskattn_edge.contract.classes import ClassInfo
from maskattn_edge.contract.errors import ContractError, SinkError
from maskattn_edge.preprocess import Resize
from maskattn_edge.scores import iou_per_class, mean_iou, pixel_accuracy

SCHEMA = 1
"""Of the JSON report."""


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

    def rows(self) -> list[tuple[str, str, str, str]]:
        """Of a table: class, share of the true pixels, IoU on the grid, IoU at full size; in %."""
        truth = self.full_confusion.sum(axis=1)
        share = truth / max(1, int(truth.sum()))
        return [
            (info.name, percent(float(part)), percent(float(grid)), percent(float(full)))
            for info, part, grid, full in zip(
                self.classes, share, self.grid_iou, self.full_iou, strict=True
            )
        ]

    def to_json(self) -> str:
        """The report, JSON of schema 1: fractions in [0, 1], null where a score has no value."""
        report = {
            "schema": SCHEMA,
            "model": self.model,
            "model_sha256": self.model_sha256,
            "runs_on": self.runs_on,
            "dataset": self.dataset,
            "split": self.split,
            "images": self.images,
            "keys_kept": dict(self.keys_kept),
            "grid": {
                "labels": self.grid_name,
                "height": self.height,
                "width": self.width,
                "resize": self.resize,
                **_scores(self.grid_confusion),
            },
            "full": {"labels": self.full_name, **_scores(self.full_confusion)},
            "classes": [
                {"name": info.name, "grid_iou": _plain(grid), "full_iou": _plain(full)}
                for info, grid, full in zip(
                    self.classes, self.grid_iou.tolist(), self.full_iou.tolist(), strict=True
                )
            ],
        }
        text = msgspec.json.format(msgspec.json.encode(report), indent=2).decode()
        return re.sub(r"\[[\d,\s]+\]", _one_line, text) + "\n"


def write_report(path: Path, evaluation: Evaluation) -> None:
    """Write `Evaluation.to_json` to a file, atomically.

    Raises:
        SinkError: the folder cannot be written, or the disk is full.
    """
    try:
        write_text(path, evaluation.to_json())
    except OSError as error:
        raise SinkError(f"{path}: cannot write the report: {error.strerror}") from error


def percent(fraction: float) -> str:
    """As in "73.21"; "-" for NaN.

    >>> percent(0.73214), percent(float("nan"))
    ('73.21', '-')
    """
    return "-" if math.isnan(fraction) else f"{100 * fraction:.2f}"


def _scores(confusion: NDArray[np.int64]) -> dict[str, object]:
    return {
        "miou": _plain(mean_iou(confusion)),
        "pixel_accuracy": _plain(pixel_accuracy(confusion)),
        "confusion": confusion.tolist(),
    }


def _one_line(numbers: re.Match[str]) -> str:
    return re.sub(r",(?=\d)", ", ", "".join(numbers.group().split()))


def _plain(fraction: float) -> float | None:
    return None if math.isnan(fraction) else fraction
