"""Is the engine the model? Its answers on the device against the answers in the file.

TensorRT chooses kernels by timing, and some choices are wrong: github.com/NVIDIA/TensorRT issues
4730, 4798 and 4813. So every engine is compared before it is installed.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from maskattn_edge.contract.errors import EngineVerificationError
from maskattn_edge.contract.model_file import ModelFile
from maskattn_edge.contract.spec import Golden, InputSpec
from maskattn_edge.engines.engine import Engine
from maskattn_edge.engines.onnxruntime import OnnxRuntimeEngine
from maskattn_edge.engines.samples import sample_images
from maskattn_edge.engines.tensorrt.sidecar import Agreement
from maskattn_edge.pictures import decode_labels
from maskattn_edge.scores import confusion_matrix, iou_per_class
from maskattn_edge.segmentation import Instances, Segmentation

SMALLEST_CLASS = 0.002
"""Share of the pixels that a class fills in either answer to count for the mIoU: a class of three
pixels would decide it otherwise."""


@dataclass(frozen=True, kw_only=True)
class Limits:
    """The least that an engine reaches, as `Agreement` counts it.

    `below_file` is how far its share of equal labels may lie below what the same file reaches with
    ONNX Runtime: beyond, the engine is at fault and not the precision.
    """

    labels: float
    miou: float
    objects: float
    below_file: float


LIMITS: dict[str, Limits] = {
    "fp32": Limits(labels=0.99, miou=0.95, objects=0.95, below_file=0.01),
    "fp16": Limits(labels=0.98, miou=0.90, objects=0.90, below_file=0.02),
    "int8": Limits(labels=0.80, miou=0.50, objects=0.50, below_file=0.05),
}
"""By precision. fp32 leaves room for TF32, which TensorRT uses where the GPU has it; INT8 is a
different network, whose own loss export has judged."""


@dataclass(frozen=True, kw_only=True)
class Reference:
    """What is right, and what the file itself answers on the CPU.

    Args:
        source: of the right answers, in words.
        images: (H, W, 3) uint8.
        labels: right for them, (H, W) uint8.
        objects: likewise; None each for a task without objects.
        file_answers: by ONNX Runtime.
    """

    source: str
    images: Sequence[NDArray[np.uint8]]
    labels: Sequence[NDArray[np.uint8]]
    objects: Sequence[Instances | None]
    file_answers: Sequence[Segmentation]


def reference_of(file: ModelFile) -> Reference:
    """The golden samples of the file, or drawn scenes with ONNX Runtime's answers if it has none.

    Raises:
        ContractError: a stored sample is damaged.
        ModelFileError: ONNX Runtime refuses the file.
    """
    size = {"height": file.spec.input.height, "width": file.spec.input.width}
    images = sample_images(file)
    with OnnxRuntimeEngine(file) as engine:
        answers = [engine.infer(image[None]) for image in images]
    if file.spec.samples:
        source = "fp32 answers in the file"
        labels = [decode_labels(sample.labels, **size) for sample in file.spec.samples]
        objects = [_golden_objects(sample, file.spec.input) for sample in file.spec.samples]
    else:
        source = "ONNX Runtime on drawn scenes: the file has no samples"
        labels = [answer.labels for answer in answers]
        objects = [answer.instances for answer in answers]
    return Reference(
        source=source, images=images, labels=labels, objects=objects, file_answers=answers
    )


def compare(reference: Reference, engine: Engine) -> Agreement:
    """Run the engine on every image of the reference. Raises EngineError."""
    found = [engine.infer(image[None]) for image in reference.images]
    return agreement(reference, found)


def agreement(reference: Reference, found: Sequence[Segmentation]) -> Agreement:
    """Count how far answers agree."""
    right = np.stack(reference.labels)
    labels = np.stack([answer.labels for answer in found])
    own = np.stack([answer.labels for answer in reference.file_answers])
    return Agreement(
        reference=reference.source,
        images=len(found),
        labels=float(np.mean(labels == right)),
        miou=label_miou(right, labels),
        file_labels=float(np.mean(own == right)),
        objects=_objects(reference.objects, found),
    )


def check(found: Agreement, precision: str, *, where: Callable[[], str] | None = None) -> None:
    """Refuse an engine that answers otherwise.

    Args:
        found: what was counted.
        precision: of the file; sets the limits.
        where: asked for a hint at the layer at fault, only if the engine is refused.

    Raises:
        EngineVerificationError: a limit is broken; the message names it.
    """
    limits = LIMITS[precision]
    checks = [
        ("equal labels", found.labels, limits.labels),
        ("mIoU between the labels", found.miou, limits.miou),
        (
            "equal labels, as the file on the CPU",
            found.labels,
            found.file_labels - limits.below_file,
        ),
    ]
    if found.objects is not None:
        checks.append(("matched objects", found.objects, limits.objects))
    for what, value, least in checks:
        if value < least:
            hint = f" ({where()})" if where is not None else ""
            raise EngineVerificationError(
                f"the engine does not answer as the {precision} model does: {what} {value:.2%}, "
                f"at least {least:.2%} are needed, over {found.images} images against "
                f"{found.reference}{hint}; it was not installed: build again with another "
                "--opt-level, or use the fp32 file"
            )


def label_miou(right: NDArray[np.uint8], labels: NDArray[np.uint8]) -> float:
    """Mean IoU between two sets of label maps, over classes that are not tiny in both.

    >>> a = np.array([[0, 0, 1, 1]], np.uint8)
    >>> label_miou(a, np.array([[0, 0, 1, 0]], np.uint8))  # 2 of 3, 1 of 2
    0.5833333333333333
    """
    classes = int(max(right.max(), labels.max())) + 1
    confusion = confusion_matrix(right, labels, classes=classes)
    area = np.maximum(confusion.sum(axis=0), confusion.sum(axis=1))
    return float(np.mean(iou_per_class(confusion)[area >= SMALLEST_CLASS * right.size]))


def matched_objects(right: Instances, found: Instances) -> tuple[int, int]:
    """(objects with a partner of the same class and IoU above 0.5, counted on both sides; all)."""
    size = 256
    both = np.bincount(
        right.map.ravel().astype(np.int64) * size + found.map.ravel(), minlength=size * size
    ).reshape(size, size)
    areas_right, areas_found = both.sum(axis=1), both.sum(axis=0)
    union = areas_right[:, None] + areas_found[None, :] - both
    hits = [
        (one, other)
        for one, other in np.argwhere((2 * both > union) & (union > 0)).tolist()
        if one and other and right.label[one - 1] == found.label[other - 1]
    ]
    total = int(np.count_nonzero(areas_right[1:]) + np.count_nonzero(areas_found[1:]))
    return 2 * len(hits), total


def _objects(right: Sequence[Instances | None], found: Sequence[Segmentation]) -> float | None:
    pairs = [
        matched_objects(one, other.instances)
        for one, other in zip(right, found, strict=True)
        if one is not None and other.instances is not None
    ]
    total = sum(count for _, count in pairs)
    if not pairs:
        return None
    return sum(matched for matched, _ in pairs) / total if total else 1.0


def _golden_objects(sample: Golden, size: InputSpec) -> Instances | None:
    """The objects of a stored answer; boxes follow from them and are not compared."""
    if not sample.instances:
        return None
    rows = len(sample.instance_class)
    return Instances(
        map=decode_labels(sample.instances, height=size.height, width=size.width),
        label=np.array(sample.instance_class, np.uint8),
        score=np.array(sample.instance_score, np.float32),
        box=np.zeros((rows, 4), np.int32),
    )
