"""The whole export: checkpoint -> fp32 graph -> precisions -> verified model files."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import msgspec
import onnx

from maskattn_edge.contract.classes import things_of
from maskattn_edge.contract.errors import CheckpointError, DataError, ModelFileError
from maskattn_edge.contract.model_file import ModelFile, describe, parse_model, write_model_file
from maskattn_edge.contract.spec import Licences, ModelSpec, PrecisionSpec
from maskattn_edge.latency import LatencySettings
from maskattn_export.apart import choosing_set
from maskattn_export.decision import Candidate, Decision, decide
from maskattn_export.description import base_spec, golden_samples
from maskattn_export.graph import run_torch, to_onnx
from maskattn_export.half import fp16_spec, to_fp16
from maskattn_export.int8 import Int8Result, Judge, default_quantizer, precision_of, search
from maskattn_export.int8.report import write_report
from maskattn_export.int8.tuning import tuned, tuning_settings
from maskattn_export.samples import ExportImages, export_images
from maskattn_export.settings import DEFAULT_BUDGET, PRECISIONS, ExportSettings, Precision
from maskattn_export.speed import QUICK, measure_speed
from maskattn_export.verify import Expected, Verification, verify
from maskattn_models.checkpoint import Checkpoint, load_checkpoint
from maskattn_models.data import open_dataset

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
    none; `images` were compared. `int8` is how INT8 was chosen, where it was asked for; within its
    budget or not, in which case its file is not among `files`, and `former` is where that of an
    export before this one was moved to, if there was one.
    """

    torch_miou: float
    torch_pq: float
    images: int
    files: tuple[ExportedFile, ...]
    decision: Decision
    int8: Int8Result | None = None
    former: Path | None = None


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

    With INT8 also `<stem>.int8.json`, `.md` and `.png`: what was tried, and what it lost. An INT8
    file beyond its budget is not written; one of a former export gets the suffix `.former`.

    Args:
        path: the checkpoint.
        settings: precisions, calibration and budget.
        folder: where to write; the checkpoint's own folder if None.
        name: of the model in its description; the run's folder and the checkpoint's stem if None.
        licences: of weights and data, as stated in the description.
        timing: how times in the report are taken; 20 frames and a second if None.
        on_step: told what is being done.
        on_file: told each file once it is complete.

    Raises:
        CheckpointError: the checkpoint cannot be read, or has no samples to verify with.
        DataError: there are too few images for INT8, or no labelled ones for a budget.
        UsageError: `settings.data` has no such split, or the network cannot be fine-tuned.
        TrainingError: fine-tuning does not end in finite numbers.
        EngineVerificationError: a file does not answer as the network does; it is not written.
        ModelFileError: a file cannot be written.
    """
    checkpoint = load_checkpoint(path)
    images = _images(path, checkpoint, settings)
    on_step("PyTorch fp32 on the samples")
    network = checkpoint.build()
    reference = run_torch(network, images.for_verification)
    expected = Expected(
        answers=reference,
        labels=[labels for _, labels in images.held_out],
        segments=images.segments,
        things=things_of(checkpoint.classes) if checkpoint.task != "semantic" else (),
    )
    spec = base_spec(
        checkpoint,
        name=name or f"{path.resolve().parent.name}-{path.stem}",
        licences=licences or Licences(),
        golden=golden_samples(images.for_verification, reference, settings.golden),
    )
    judge = Judge(images=images.for_verification, expected=expected, spec=spec)
    on_step("ONNX fp32")
    graph = to_onnx(network, checkpoint.input)
    writer = _Writer((folder or path.parent) / path.stem, judge, timing, on_file)
    found = None
    for precision in PRECISIONS:
        if precision != "fp32" and precision not in settings.precisions:
            continue
        on_step(f"{precision}: convert, verify, write")
        if precision == "int8":
            model, found = _search(checkpoint, graph, images, judge, settings, on_step)
            write_report(writer.stem, found)
            if found.holds:
                writer.write(model, precision_of(graph, found))
            else:
                writer.put_aside("int8")
        elif precision == "fp16":
            writer.write(to_fp16(graph), fp16_spec(graph))
        else:
            writer.write(graph, PrecisionSpec(name="fp32"))
    on_step("time on this machine")
    return ExportReport(
        torch_miou=judge.torch_miou,
        torch_pq=judge.torch_pq,
        images=len(reference),
        files=tuple(writer.files),
        decision=writer.decision(settings, found, on_step),
        int8=found,
        former=writer.former,
    )


def _images(path: Path, checkpoint: Checkpoint, settings: ExportSettings) -> ExportImages:
    try:
        images = export_images(
            checkpoint,
            settings.calibration,
            data=settings.data,
            split=settings.split,
            tuning=settings.qat is not None,
        )
    except CheckpointError as error:
        raise CheckpointError(f"{path}: {error}") from error
    if not images.for_verification:
        raise DataError(
            f"{path}: the checkpoint carries no images to calibrate and verify with: give some "
            "with --calibration DIR"
        )
    if settings.budget is not None and not images.held_out:
        raise DataError(
            f"{path}: the checkpoint carries no labelled images, which a budget is measured on: "
            "give a data set with --data DIR"
        )
    return images


def _search(
    checkpoint: Checkpoint,
    graph: onnx.ModelProto,
    images: ExportImages,
    judge: Judge,
    settings: ExportSettings,
    on_step: Callable[[str], None],
) -> tuple[onnx.ModelProto, Int8Result]:
    """The INT8 graph; with fine-tuned weights if these were asked for and lose less."""
    budget = DEFAULT_BUDGET if settings.budget is None else settings.budget
    look_for = partial(
        search,
        images=images.calibration,
        judge=judge,
        quantizer=settings.quantizer or default_quantizer(),
        on_step=on_step,
    )
    limit = budget if judge.labelled else None
    if settings.qat is None or settings.data is None:
        return look_for(graph, budget=limit)
    how = tuning_settings(checkpoint, epochs=settings.qat, device=settings.device)
    plain, found = look_for(graph, budget=None)
    dataset = choosing_set(open_dataset(settings.data), settings.split)
    network, tuning = tuned(
        checkpoint, plain, dataset, how, untuned_loss=found.loss, on_step=on_step
    )
    if tuning.best_epoch:
        model, better = look_for(to_onnx(network, checkpoint.input), budget=limit)
        if better.curve[0].loss < found.loss:
            return model, replace(better, tuning=tuning)
        tuning = replace(tuning, best_epoch=0)
    model, found = look_for(graph, budget=limit)
    return model, replace(found, tuning=tuning)


class _Writer:
    """Describes, verifies and writes files, and remembers them for the decision."""

    def __init__(
        self,
        stem: Path,
        judge: Judge,
        timing: LatencySettings | None,
        on_file: Callable[[ExportedFile], None],
    ) -> None:
        self.stem = stem
        self.files: list[ExportedFile] = []
        self.former: Path | None = None
        self._parsed: list[ModelFile] = []
        self._judge, self._timing, self._on_file = judge, timing, on_file

    def write(self, model: onnx.ModelProto, precision: PrecisionSpec) -> None:
        judge, target = self._judge, self._target(precision.name)
        spec: ModelSpec = msgspec.structs.replace(judge.spec, precision=precision)
        data = describe(model.SerializeToString(), spec)
        file = parse_model(data, target)
        verification = verify(file, judge.images, judge.expected, self._timing or _TIMING)
        write_model_file(target, data, file.spec)
        done = ExportedFile(
            path=target,
            precision=precision.name,
            megabytes=len(data) / 1e6,
            verification=verification,
        )
        self.files.append(done)
        self._parsed.append(file)
        self._on_file(done)

    def put_aside(self, precision: Precision) -> None:
        """Rename the file of a former export, which nobody should take for this one's.

        It is kept: it may be the only copy of what is deployed.

        Raises:
            ModelFileError: it cannot be renamed.
        """
        former = self._target(precision)
        kept = former.with_name(f"{former.name}.former")
        try:
            former.replace(kept)
        except FileNotFoundError:
            return
        except OSError as error:
            raise ModelFileError(
                f"{former}: of a former export, cannot be renamed ({error.strerror}): remove it, "
                "because this export has no such file"
            ) from error
        self.former = kept

    def _target(self, precision: Precision) -> Path:
        return self.stem.with_name(f"{self.stem.name}.{precision}.onnx")

    def decision(
        self,
        settings: ExportSettings,
        found: Int8Result | None,
        on_step: Callable[[str], None],
    ) -> Decision:
        judge = self._judge
        timing = self._timing or QUICK
        speed = measure_speed(self._parsed, judge.images[0], timing, on_step=on_step)
        candidates = [
            Candidate(
                name=file.path.name,
                precision=file.precision,
                loss=self._loss(file),
                agreement=file.verification.agreement,
                frame_ms=frame_ms,
                megabytes=file.megabytes,
            )
            for file, frame_ms in zip(self.files, speed.frame_ms, strict=True)
        ]
        return decide(
            candidates,
            budget=DEFAULT_BUDGET if settings.budget is None else settings.budget,
            metric=judge.metric,
            engine=speed.engine,
            left_out="" if found is None or found.holds else found.failure,
            caveat=speed.caveat,
        )

    def _loss(self, file: ExportedFile) -> float | None:
        judge, found = self._judge, file.verification
        score = {"mIoU": found.miou, "PQ": found.pq}.get(judge.metric, math.nan)
        return None if math.isnan(score) else judge.reference - 100 * score
