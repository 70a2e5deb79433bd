"""The scores of an evaluation as rows of text, in %, for a terminal of 80 columns."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from maskattn_edge.scores import mean_precision, mean_quality, quality_per_class
from maskattn_models.evaluation.evaluation import Evaluation, percent

_NAME = 22
"""Longer names of classes are cut, so that a row with seven scores fits."""

_ABSENT = "A class without a score (-) is in neither truth nor prediction."


@dataclass(frozen=True, kw_only=True)
class ScoreTable:
    """A table and what is said below it; the first column holds names.

    `what` the table holds; `headings`; `rows`, one for each class; rows of `means` below;
    `summary`, a line for each main score; `absent`, what "-" means.
    """

    what: str
    headings: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    means: tuple[tuple[str, ...], ...]
    summary: tuple[str, ...]
    absent: str


def score_table(result: Evaluation) -> ScoreTable:
    """The table of the task that the model was scored as."""
    if result.full_panoptic is not None:
        return _panoptic(result)
    if result.full_precision is not None:
        return _instance(result)
    return _semantic(result)


def _semantic(result: Evaluation) -> ScoreTable:
    truth = result.full_confusion.sum(axis=1)
    share = truth / max(1, int(truth.sum()))
    columns = zip(share, result.grid_iou, result.full_iou, strict=True)
    return ScoreTable(
        what="IoU",
        headings=("class", "share of pixels", f"{_grid(result)} grid", "full size"),
        rows=_rows(result, columns),
        means=(("mean IoU", "", percent(result.grid_miou), percent(result.full_miou)),),
        summary=_both(result, "mean IoU", result.grid_miou, result.full_miou),
        absent=_ABSENT,
    )


def _panoptic(result: Evaluation) -> ScoreTable:
    assert result.full_panoptic is not None
    assert result.grid_panoptic is not None
    full, grid = quality_per_class(result.full_panoptic), quality_per_class(result.grid_panoptic)
    columns = zip(*full, result.full_iou, grid.pq, result.grid_iou, strict=True)
    size, things = _grid(result), result.things
    means = [
        _means(result, "all", things | ~things, (result.full_miou, result.grid_miou)),
        _means(result, "things", things),
        _means(result, "stuff", ~things),
    ]
    return ScoreTable(
        what="at full size",
        headings=("class", "PQ", "SQ", "RQ", "IoU", f"{size}\nPQ", f"{size}\nIoU"),
        rows=_rows(result, columns),
        means=tuple(means),
        summary=(
            *_both(
                result,
                "PQ",
                mean_quality(result.grid_panoptic).pq,
                mean_quality(result.full_panoptic).pq,
            ),
            result.segments_name,
        ),
        absent=_ABSENT,
    )


def _means(
    result: Evaluation,
    name: str,
    which: NDArray[np.bool_],
    miou: tuple[float, float] | None = None,
) -> tuple[str, ...]:
    assert result.full_panoptic is not None
    assert result.grid_panoptic is not None
    full, grid = ("", "") if miou is None else map(percent, miou)
    quality = map(percent, mean_quality(result.full_panoptic, which))
    return (name, *quality, full, percent(mean_quality(result.grid_panoptic, which).pq), grid)


def _instance(result: Evaluation) -> ScoreTable:
    assert result.full_precision is not None
    assert result.grid_precision is not None
    full, grid = result.full_precision, result.grid_precision
    rows = _rows(result, zip(*full, grid.ap, strict=True))
    full_means, grid_means = mean_precision(full), mean_precision(grid)
    sizes = ("small", "medium", "large")
    return ScoreTable(
        what="mask AP at full size",
        headings=("class", "AP", "AP50", "AP75", *sizes, f"{_grid(result)}\nAP"),
        rows=tuple(row for row, info in zip(rows, result.classes, strict=True) if info.thing),
        means=(("mean", *map(percent, (*full_means, grid_means.ap))),),
        summary=(
            *_both(result, "mask AP", grid_means.ap, full_means.ap),
            *_both(result, "mean IoU", result.grid_miou, result.full_miou),
            result.segments_name,
        ),
        absent="A class without a score (-) has no object in truth.",
    )


def _both(result: Evaluation, score: str, grid: float, full: float) -> tuple[str, str]:
    return (
        f"{score} {percent(grid)} %: {result.grid_name}",
        f"{score} {percent(full)} %: {result.full_name}",
    )


def _rows(result: Evaluation, columns: Iterable[tuple[float, ...]]) -> tuple[tuple[str, ...], ...]:
    return tuple(
        (_short(info.name), *(percent(float(value)) for value in values))
        for info, values in zip(result.classes, columns, strict=True)
    )


def _short(name: str) -> str:
    return name if len(name) <= _NAME else name[: _NAME - 3] + "..."


def _grid(result: Evaluation) -> str:
    return f"{result.height}x{result.width}"
