"""Is the file the network? Its labels against PyTorch's, and against the truth."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from maskattn_edge.contract.errors import EngineVerificationError
from maskattn_edge.contract.model_file import ModelFile
from maskattn_edge.engines import open_engine
from maskattn_edge.latency import LatencySettings, time_frames
from maskattn_edge.scores import confusion_matrix, mean_iou
from maskattn_export.settings import Precision

MIN_AGREEMENT: dict[Precision, float] = {"fp32": 0.999, "fp16": 0.98, "int8": 0.80}
"""Least share of pixels with PyTorch's label. fp32 and fp16 differ by rounding only; INT8 is a
different network, so its bound only catches one that is broken, and the table says the rest."""


@dataclass(frozen=True, kw_only=True)
class Verification:
    """What one file does on the held-out images.

    `miou` on labelled images, a fraction, NaN without labels; `agreement` the share of pixels
    with PyTorch's label; `cpu_ms` the median of one image with ONNX Runtime on this machine.
    """

    miou: float
    agreement: float
    cpu_ms: float


def verify(
    file: ModelFile,
    images: Sequence[NDArray[np.uint8]],
    reference: Sequence[NDArray[np.uint8]],
    truth: Sequence[NDArray[np.uint8]],
    timing: LatencySettings,
) -> Verification:
    """Run `file` with ONNX Runtime on `images` and compare.

    Args:
        file: the candidate.
        images: (H, W, 3) uint8 RGB of the network's size, at least one.
        reference: PyTorch's labels of them, (H, W) uint8.
        truth: labels of the first len(truth) images, (H, W) uint8.
        timing: how the CPU time is taken.

    Raises:
        EngineVerificationError: fewer labels agree than `MIN_AGREEMENT` asks.
    """
    with open_engine(file, backend="onnxruntime") as engine:
        labels = [engine.infer(image[None]).labels for image in images]
        samples = time_frames(lambda: engine.infer(images[0][None]), timing)
    agreement = float(np.mean(np.stack(labels) == np.stack(reference)))
    least = MIN_AGREEMENT[file.spec.precision.name]
    if agreement < least:
        raise EngineVerificationError(
            f"the {file.spec.precision.name} file agrees with PyTorch on {agreement:.1%} of the "
            f"pixels, {least:.1%} are needed: it was not written; use another precision, or "
            "calibrate with more images"
        )
    miou = labelled_miou(labels, truth, len(file.spec.classes))
    return Verification(miou=miou, agreement=agreement, cpu_ms=float(np.median(samples)))


def labelled_miou(
    labels: Sequence[NDArray[np.uint8]], truth: Sequence[NDArray[np.uint8]], classes: int
) -> float:
    """Score the first len(truth) label maps: mIoU of one confusion matrix, NaN without truth."""
    if not truth:
        return float("nan")
    found = np.stack(labels[: len(truth)])
    return float(mean_iou(confusion_matrix(np.stack(truth), found, classes=classes)))
