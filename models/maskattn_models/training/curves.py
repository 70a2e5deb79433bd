"""`curves.png`: validation scores, loss and learning rate over the epochs."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from maskattn_edge.contract.atomic import replacing
from maskattn_edge.optional import require
from maskattn_models.training.history import EpochRow

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_MIOU, _LOSS, _RATE = "#1b7837", "#2166ac", "#8c6bb1"
_OTHER = "#a0a0a0"
_INK, _GRID = "#404040", "#e4e4e4"


def check_drawing() -> None:
    """Find out before a run, not at its end, whether curves can be drawn.

    Raises:
        MissingDependencyError: matplotlib is not installed.
    """
    require("matplotlib.figure", purpose="drawing training curves", extra="train")


def write_curves(path: Path, rows: Sequence[EpochRow], *, title: str) -> None:
    """Draw a run's history as PNG, atomically.

    Raises:
        OSError: the folder cannot be written, or the disk is full.
        MissingDependencyError: matplotlib is not installed.
    """
    check_drawing()
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8, 7), dpi=120, layout="constrained")
    miou, loss, rate = figure.subplots(3, 1, sharex=True, height_ratios=(3, 2, 1))
    epochs = [row.epoch for row in rows]
    if all(math.isnan(row.val_pq) for row in rows):
        _line(miou, epochs, [100 * row.val_miou for row in rows], _MIOU, "validation mIoU, %")
    else:
        _line(miou, epochs, [100 * row.val_miou for row in rows], _OTHER, "")
        label = "validation PQ (grey: mIoU), %"
        _line(miou, epochs, [100 * row.score for row in rows], _MIOU, label)
    _line(loss, epochs, [row.loss for row in rows], _LOSS, "training loss")
    _line(rate, epochs, [row.lr for row in rows], _RATE, "learning rate")
    _mark_best(miou, rows)
    for axes in (miou, loss, rate):
        axes.set_ylim(bottom=0)
    rate.set_xlim(0, 1.02 * max(2, epochs[-1]))
    rate.ticklabel_format(axis="y", style="sci", scilimits=(-3, -3))
    rate.set_xlabel("epoch", color=_INK)
    rate.xaxis.get_major_locator().set_params(integer=True)
    figure.suptitle(title, color=_INK, fontsize=12)
    with replacing(path) as temporary:
        figure.savefig(temporary, format="png")


def _line(
    axes: Axes, epochs: Sequence[int], values: Sequence[float], color: str, label: str
) -> None:
    axes.plot(epochs, values, color=color, linewidth=1.8, marker="o" if len(epochs) < 3 else "")
    axes.set_ylabel(label, color=_INK)
    axes.grid(color=_GRID, linewidth=0.8)
    axes.tick_params(colors=_INK, length=0)
    for side in axes.spines.values():
        side.set_visible(False)


def _mark_best(axes: Axes, rows: Sequence[EpochRow]) -> None:
    best = max(rows, key=lambda row: row.score)
    percent = 100 * best.score
    axes.axvline(best.epoch, color=_MIOU, linewidth=1, linestyle=":")
    axes.plot([best.epoch], [percent], marker="o", color=_MIOU)
    late = best.epoch > (rows[0].epoch + rows[-1].epoch) / 2
    axes.annotate(
        f"{percent:.1f} % in epoch {best.epoch}",
        (best.epoch, percent),
        xytext=(-8 if late else 8, -14),
        textcoords="offset points",
        ha="right" if late else "left",
        va="top",
        color=_MIOU,
    )
