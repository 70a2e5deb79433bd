"""What is noted of each epoch."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path

from maskattn_edge.contract.atomic import write_text


@dataclass(frozen=True, kw_only=True)
class EpochRow:
    """One epoch.

    Args:
        epoch: counted from 1.
        loss: mean over the epoch's steps.
        val_miou: of the averaged weights, a fraction from one confusion matrix.
        val_pixel_accuracy: of the same, a fraction.
        val_pq: of the same, panoptic quality as a fraction, of things alone for the instance task;
            NaN where no objects are told apart.
        lr: learning rate of the epoch's last step.
        seconds: of the epoch, validation included.
        images_per_second: of training alone.
    """

    epoch: int
    loss: float
    val_miou: float
    val_pixel_accuracy: float
    lr: float
    seconds: float
    images_per_second: float
    val_pq: float = math.nan

    @property
    def score(self) -> float:
        """What the best epoch is chosen by: PQ where objects are told apart, else mIoU."""
        return self.val_miou if math.isnan(self.val_pq) else self.val_pq

    @property
    def score_name(self) -> str:
        """Name of `score`, for people."""
        return "mIoU" if math.isnan(self.val_pq) else "PQ"


def to_rows(history: Sequence[Mapping[str, float]]) -> list[EpochRow]:
    """The rows of a checkpoint's history."""
    names = [field.name for field in fields(EpochRow) if field.name not in ("epoch", "val_pq")]
    return [
        EpochRow(
            epoch=int(row["epoch"]),
            val_pq=float(row.get("val_pq", math.nan)),
            **{name: float(row[name]) for name in names},
        )
        for row in history
    ]


def write_history(path: Path, rows: Sequence[EpochRow]) -> None:
    """Write a CSV file, a line per epoch, atomically. Raises OSError."""
    text = io.StringIO()
    names = [field.name for field in fields(EpochRow)]
    if all(math.isnan(row.val_pq) for row in rows):
        names.remove("val_pq")
    writer = csv.DictWriter(text, names, extrasaction="ignore", lineterminator="\n")
    writer.writeheader()
    writer.writerows(asdict(row) for row in rows)
    write_text(path, text.getvalue())
