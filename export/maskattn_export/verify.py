"""Is the file the network? Its answers against PyTorch's, and against the truth."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from maskattn_edge.contract.classes import ClassInfo
from maskattn_edge.contract.errors import EngineVerificationError
from maskattn_edge.contract.model_file import ModelFile
from maskattn_edge.contract.spec import ModelSpec, Task
from maskattn_edge.engines import open_engine
from maskattn_edge.latency import LatencySettings, time_frames
from maskattn_edge.scores import (
    PanopticCounts,
    confusion_matrix,
    mean_iou,
    mean_quality,
    panoptic_counts,
)
from maskattn_edge.segments import Segments, joined_segments
from maskattn_export.settings import Precision
from maskattn_models.answers import Answer

MIN_AGREEMENT: dict[Precision, float] = {"fp32": 0.999, "fp16": 0.98, "int8": 0.80}
"""Least share of pixels with PyTorch's label. fp32 and fp16 differ by rounding only; INT8 is a
different network, so its bound only catches one that is broken, and the table says the rest."""


MIN_MATCHED: dict[Precision, float] = {"fp32": 0.98, "fp16": 0.90, "int8": 0.50}
"""Least share of objects that are PyTorch's: of one class, their masks' IoU above a half."""


@dataclass(frozen=True, kw_only=True)
class Verification:
    """What one file does on the held-out images.

    `miou` on labelled images, a fraction, NaN without labels; `agreement` the share of pixels
    with PyTorch's label; `cpu_ms` the median of one image with ONNX Runtime on this machine. Where
    objects are told apart `pq` is the panoptic quality, of things alone for the instance task, and
    `matched` the share of objects that are PyTorch's; else both are NaN.
    """

    miou: float
    agreement: float
    cpu_ms: float
    pq: float = math.nan
    matched: float = math.nan


@dataclass(frozen=True, kw_only=True)
class Expected:
    """What files are compared with: PyTorch's answers, and truth as far as it is known.

    Args:
        answers: one an image.
        labels: (H, W) uint8, of the first len(labels) images.
        segments: of the same images, where objects are told apart.
        things: indices of the classes whose objects are told apart.
    """

    answers: Sequence[Answer]
    labels: Sequence[NDArray[np.uint8]]
    segments: Sequence[Segments] = ()
    things: tuple[int, ...] = ()


def verify(
    file: ModelFile,
    images: Sequence[NDArray[np.uint8]],
    expected: Expected,
    timing: LatencySettings,
) -> Verification:
    """Run `file` with ONNX Runtime on `images` and compare.

    Args:
        file: the candidate.
        images: (H, W, 3) uint8 RGB of the network's size, at least one.
        expected: answers for these images.
        timing: how the CPU time is taken.

    Raises:
        EngineVerificationError: fewer labels agree than `MIN_AGREEMENT` asks, or fewer objects
            than `MIN_MATCHED`.
    """
    spec = file.spec
    with open_engine(file, backend="onnxruntime") as engine:
        found = [engine.infer(image[None]) for image in images]
        samples = time_frames(lambda: engine.infer(images[0][None]), timing)
    answers = [Answer(labels=one.labels, instances=one.instances) for one in found]
    labels = np.stack([answer.labels for answer in answers])
    agreement = float(np.mean(labels == np.stack([one.labels for one in expected.answers])))
    _demand(agreement, MIN_AGREEMENT, spec, "of the pixels")
    matched = matched_objects(answers, expected, spec.classes)
    if not math.isnan(matched):
        _demand(matched, MIN_MATCHED, spec, "of the objects")
    return Verification(
        miou=labelled_miou(labels, expected.labels, len(spec.classes)),
        agreement=agreement,
        cpu_ms=float(np.median(samples)),
        pq=labelled_pq(answers, expected, spec.task, spec.classes),
        matched=matched,
    )


def _demand(share: float, least: Mapping[Precision, float], spec: ModelSpec, what: str) -> None:
    needed = least[spec.precision.name]
    if share < needed:
        raise EngineVerificationError(
            f"the {spec.precision.name} file agrees with PyTorch on {share:.1%} {what}, "
            f"{needed:.1%} are needed: it was not written; use another precision, or "
            "calibrate with more images"
        )


def matched_objects(
    answers: Sequence[Answer], expected: Expected, classes: Sequence[ClassInfo]
) -> float:
    """Share of objects that both sides have, 2 x matched / (all of both); NaN for a semantic task.

    Two sides without any object agree.
    """
    if not expected.things:
        return math.nan
    total = PanopticCounts.none(len(classes))
    for ours, theirs in zip(answers, expected.answers, strict=True):
        pair = [joined_segments(one.labels, one.instances, classes) for one in (theirs, ours)]
        total += panoptic_counts(*pair, classes=len(classes))
    hit, lost, extra = (
        int(counts[list(expected.things)].sum()) for counts in (total.tp, total.fn, total.fp)
    )
    return 2 * hit / (2 * hit + lost + extra) if hit + lost + extra else 1.0


def labelled_pq(
    answers: Sequence[Answer], expected: Expected, task: Task, classes: Sequence[ClassInfo]
) -> float:
    """PQ of the first answers, as far as there are segments; NaN without any."""
    if not expected.segments:
        return math.nan
    total = PanopticCounts.none(len(classes))
    for answer, truth in zip(answers, expected.segments, strict=False):
        found = joined_segments(answer.labels, answer.instances, classes)
        total += panoptic_counts(truth, found, classes=len(classes))
    which = None if task == "panoptic" else np.isin(np.arange(len(classes)), expected.things)
    return mean_quality(total, which).pq


def labelled_miou(
    labels: NDArray[np.uint8], truth: Sequence[NDArray[np.uint8]], classes: int
) -> float:
    """MIoU of the first len(truth) maps of `labels`, (N, H, W) uint8; NaN without truth."""
    if not truth:
        return math.nan
    found = labels[: len(truth)]
    return float(mean_iou(confusion_matrix(np.stack(truth), found, classes=classes)))
