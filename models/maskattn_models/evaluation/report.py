"""The report of an evaluation, as JSON."""

from __future__ import annotations

import math
import re
from pathlib import Path

import msgspec
import numpy as np
from numpy.typing import NDArray

from maskattn_edge.contract.atomic import write_text
from maskattn_edge.contract.errors import SinkError
from maskattn_edge.scores import (
    ClassPrecision,
    PanopticCounts,
    mean_iou,
    mean_precision,
    mean_quality,
    pixel_accuracy,
    quality_per_class,
)
from maskattn_models.evaluation.evaluation import Evaluation

SCHEMA = 1
"""Of the JSON report; raised when a reader of the former one would go wrong."""


def report_json(result: Evaluation) -> str:
    """The report, JSON of schema 1: fractions in [0, 1], null where a score has no value."""
    report = {
        "schema": SCHEMA,
        "model": result.model,
        "model_sha256": result.model_sha256,
        "runs_on": result.runs_on,
        "dataset": result.dataset,
        "split": result.split,
        "images": result.images,
        "task": result.task,
        "segments": result.segments_name or None,
        "keys_kept": dict(result.keys_kept),
        "grid": {
            "labels": result.grid_name,
            "height": result.height,
            "width": result.width,
            "resize": result.resize,
            **_scores(result, result.grid_confusion, result.grid_panoptic, result.grid_precision),
        },
        "full": {
            "labels": result.full_name,
            **_scores(result, result.full_confusion, result.full_panoptic, result.full_precision),
        },
        "classes": [_class_entry(result, index) for index in range(len(result.classes))],
    }
    text = msgspec.json.format(msgspec.json.encode(report), indent=2).decode()
    return re.sub(r"\[[\d,\s]+\]", _one_line, text) + "\n"


def write_report(path: Path, result: Evaluation) -> None:
    """Write `report_json` to a file, atomically.

    Raises:
        SinkError: the folder cannot be written, or the disk is full.
    """
    try:
        write_text(path, report_json(result))
    except OSError as error:
        raise SinkError(f"{path}: cannot write the report: {error.strerror}") from error


def _scores(
    result: Evaluation,
    confusion: NDArray[np.int64],
    panoptic: PanopticCounts | None,
    precision: ClassPrecision | None,
) -> dict[str, object]:
    scores: dict[str, object] = {
        "miou": _plain(mean_iou(confusion)),
        "pixel_accuracy": _plain(pixel_accuracy(confusion)),
    }
    if panoptic is not None:
        chosen = {"all": None, "things": result.things, "stuff": ~result.things}
        for name, which in chosen.items():
            quality = mean_quality(panoptic, which)._asdict()
            scores[name] = {part: _plain(value) for part, value in quality.items()}
    if precision is not None:
        for name, value in mean_precision(precision)._asdict().items():
            scores[name] = _plain(value)
    return scores | {"confusion": confusion.tolist()}


def _class_entry(result: Evaluation, index: int) -> dict[str, object]:
    info = result.classes[index]
    entry: dict[str, object] = {
        "name": info.name,
        "grid_iou": _plain(float(result.grid_iou[index])),
        "full_iou": _plain(float(result.full_iou[index])),
    }
    if result.task == "semantic":
        return entry
    entry["thing"] = info.thing
    entry["grid"] = _class_scores(result.grid_panoptic, result.grid_precision, index)
    entry["full"] = _class_scores(result.full_panoptic, result.full_precision, index)
    return entry


def _class_scores(
    panoptic: PanopticCounts | None, precision: ClassPrecision | None, index: int
) -> dict[str, object]:
    scores: dict[str, object] = {}
    if panoptic is not None:
        for name, values in quality_per_class(panoptic)._asdict().items():
            scores[name] = _plain(float(values[index]))
        for name in ("tp", "fp", "fn"):
            scores[name] = int(getattr(panoptic, name)[index])
        scores["iou_sum"] = float(panoptic.iou_sum[index])
    if precision is not None:
        for name, values in precision._asdict().items():
            scores[name] = _plain(float(values[index]))
    return scores


def _one_line(numbers: re.Match[str]) -> str:
    return re.sub(r",(?=\d)", ", ", "".join(numbers.group().split()))


def _plain(fraction: float) -> float | None:
    return None if math.isnan(fraction) else fraction
