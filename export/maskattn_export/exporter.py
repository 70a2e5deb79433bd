"""The whole export: checkpoint -> fp32 graph -> precisions -> verified model files."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

import msgspec
import numpy as np
import onnx
from numpy.typing import NDArray

from maskattn_edge._version import __version__
from maskattn_edge.contract.classes import things_of
from maskattn_edge.contract.errors import CheckpointError, DataError
from maskattn_edge.contract.model_file import describe, parse_model, write_model_file
from maskattn_edge.contract.spec import (
    Golden,
    KeptLayer,
    Licences,
    ModelSpec,
    PrecisionSpec,
    Provenance,
    TrainingSpec,
)
from maskattn_edge.latency import LatencySettings
from maskattn_edge.pictures import encode_labels, encode_rgb
from maskattn_export import half, int8
from maskattn_export.graph import run_torch, to_onnx
from maskattn_export.half import to_fp16
from maskattn_export.int8 import to_int8
from maskattn_export.samples import ExportImages, export_images
from maskattn_export.settings import PRECISIONS, ExportSettings, Precision
from maskattn_export.verify import Expected, Verification, labelled_miou, labelled_pq, verify
from maskattn_models.answers import Answer
from maskattn_models.checkpoint import Checkpoint, load_checkpoint
from maskattn_models.data import spread

_TOOLS = ("torch", "onnx", "onnxruntime")

_TIMING = LatencySettings(warmup_frames=5, min_frames=20)
"""Enough for a median; a network that takes seconds a frame is not waited for long."""


@dataclass(frozen=True, kw_only=True)
class ExportedFile:
    """One written model file and what verification found."""

    path: Path
    precision: Precision
    megabytes: float
    verification: Verification


@dataclass(frozen=True, kw_only=True)
class ExportReport:
    """All files of one export, and the PyTorch network that they are compared with.

    `torch_miou` and `torch_pq` are fractions, NaN where no held-out truth exists or the task has
    none; `images` were compared.
    """

    torch_miou: float
    torch_pq: float
    images: int
    files: tuple[ExportedFile, ...]


def export_checkpoint(
    path: Path,
    settings: ExportSettings,
    *,
    folder: Path | None = None,
    name: str | None = None,
    licences: Licences | None = None,
    timing: LatencySettings | None = None,
    on_step: Callable[[str], None] = lambda step: None,
    on_file: Callable[[ExportedFile], None] = lambda file: None,
) -> ExportReport:
    """Write one verified model file per precision, `<stem>.<precision>.onnx`.

    Args:
        path: the checkpoint.
        settings: precisions and calibration.
        folder: where to write; the checkpoint's own folder if None.
        name: of the model in its description; the run's folder and the checkpoint's stem if None.
        licences: of weights and data, as stated in the description.
        timing: how the CPU time in the report is taken; 20 frames and a second if None.
        on_step: told what is being done.
        on_file: told each file once it is complete.

    Raises:
        CheckpointError: the checkpoint cannot be read, or has no samples to verify with.
        DataError: there are too few images for INT8.
        EngineVerificationError: a file does not answer as the network does; it is not written.
        ModelFileError: a file cannot be written.
    """
    checkpoint = load_checkpoint(path)
    images = _images(path, checkpoint, settings)
    wanted = [name for name in PRECISIONS if name == "fp32" or name in settings.precisions]
    on_step("PyTorch fp32 on the samples")
    network = checkpoint.build()
    reference = run_torch(network, images.for_verification)
    expected = Expected(
        answers=reference,
        labels=[labels for _, labels in images.held_out],
        segments=images.segments,
        things=things_of(checkpoint.classes) if checkpoint.task != "semantic" else (),
    )
    spec = _base_spec(
        checkpoint,
        name=name or f"{path.resolve().parent.name}-{path.stem}",
        licences=licences or Licences(),
        golden=_golden(images.for_verification, reference, settings.golden),
    )
    on_step("ONNX fp32")
    graph = to_onnx(network, checkpoint.input)
    files = []
    for precision in wanted:
        on_step(f"{precision}: convert, verify, write")
        target = (folder or path.parent) / f"{path.stem}.{precision}.onnx"
        data = describe(
            _convert(graph, precision, images).SerializeToString(),
            msgspec.structs.replace(spec, precision=_precision(graph, precision)),
        )
        file = parse_model(data, target)
        verification = verify(file, images.for_verification, expected, timing or _TIMING)
        write_model_file(target, data, file.spec)
        done = ExportedFile(
            path=target,
            precision=precision,
            megabytes=len(data) / 1e6,
            verification=verification,
        )
        files.append(done)
        on_file(done)
    return ExportReport(
        torch_miou=labelled_miou(
            np.stack([answer.labels for answer in reference]),
            expected.labels,
            len(checkpoint.classes),
        ),
        torch_pq=labelled_pq(reference, expected, checkpoint.task, checkpoint.classes),
        images=len(reference),
        files=tuple(files),
    )


def _images(path: Path, checkpoint: Checkpoint, settings: ExportSettings) -> ExportImages:
    try:
        images = export_images(checkpoint, settings.calibration)
    except CheckpointError as error:
        raise CheckpointError(f"{path}: {error}") from error
    if not images.for_verification:
        raise DataError(
            f"{path}: the checkpoint carries no images to calibrate and verify with: give some "
            "with --calibration DIR"
        )
    return images


def _convert(graph: onnx.ModelProto, precision: Precision, images: ExportImages) -> onnx.ModelProto:
    if precision == "fp16":
        return to_fp16(graph)
    if precision == "int8":
        return to_int8(graph, images.calibration)
    return graph


def _precision(graph: onnx.ModelProto, precision: Precision) -> PrecisionSpec:
    if precision == "int8":
        return PrecisionSpec(name="int8", kept=tuple(int8.kept_layers(graph)), method=int8.METHOD)
    names = half.kept_in_fp32(graph) if precision == "fp16" else []
    kept = [KeptLayer(name=name, reason=half.KEPT_REASON) for name in names]
    return PrecisionSpec(name=precision, kept=tuple(kept))


def _golden(
    images: list[NDArray[np.uint8]], answers: list[Answer], count: int
) -> tuple[Golden, ...]:
    pairs = spread(list(zip(images, answers, strict=True)), count) if count else []
    return tuple(_sample(image, answer) for image, answer in pairs)


def _sample(image: NDArray[np.uint8], answer: Answer) -> Golden:
    picture, labels = encode_rgb(image), encode_labels(answer.labels)
    found = answer.instances
    if found is None:
        return Golden(image=picture, labels=labels)
    return Golden(
        image=picture,
        labels=labels,
        instances=encode_labels(found.map),
        instance_class=tuple(found.label.tolist()),
        instance_score=tuple(found.score.tolist()),
    )


def _base_spec(
    checkpoint: Checkpoint, *, name: str, licences: Licences, golden: tuple[Golden, ...]
) -> ModelSpec:
    training = checkpoint.training
    return ModelSpec(
        name=name,
        task=checkpoint.task,
        classes=checkpoint.classes,
        input=checkpoint.input,
        precision=PrecisionSpec(name="fp32"),
        training=TrainingSpec(
            data=str(training.get("data", "")),
            data_sha256=str(training.get("data_sha256", "")),
            grid=(checkpoint.input.height, checkpoint.input.width),
            metrics=dict(checkpoint.metrics),
            seed=training.get("seed"),
            epochs=training.get("epochs"),
            commit=str(training.get("commit", "")),
        ),
        provenance=Provenance(
            checkpoint_sha256=checkpoint.sha256,
            versions={tool: version(tool) for tool in _TOOLS} | {"maskattn-edge": __version__},
        ),
        licences=licences,
        samples=golden,
    )
