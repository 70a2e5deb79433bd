"""Quantisation-aware fine-tuning: the weights learn to answer through the roundings of INT8."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import onnx

from maskattn_edge.contract.errors import UsageError
from maskattn_export.fold import fold_batch_norm
from maskattn_export.int8.fake_quant import FakeQuantized
from maskattn_models.checkpoint import Checkpoint
from maskattn_models.data import DataSet
from maskattn_models.network import MaskAttnUNet, NetworkConfig
from maskattn_models.training import (
    EpochRow,
    Observer,
    TrainingSettings,
    fine_tune,
    settings_of,
)

LEARNING_RATE = 0.05
"""Share of the training's peak that fine-tuning begins with."""

BATCH = 16
"""Smaller than in training: a few epochs of few images must be more than a few steps."""


@dataclass(frozen=True, kw_only=True)
class Tuning:
    """How fine-tuning went.

    Args:
        epochs: that were asked for.
        images: of the training split.
        choosing: images of `val` that choose the epoch; none of them judges.
        learning_rate: peak.
        device: `cpu` or `cuda`.
        seconds: of all epochs.
        before: validation score in points, rounded as INT8 rounds, before; see `EpochRow.score`.
        scores: the same after each epoch.
        best_epoch: whose weights were taken; 0 for those of the checkpoint.
        untuned_loss: points that the file would lose without, all blocks in INT8.
    """

    epochs: int
    images: int
    choosing: int
    learning_rate: float
    device: str
    seconds: float
    before: float
    scores: tuple[float, ...]
    best_epoch: int
    untuned_loss: float


class _Steps(Observer):
    """Tells of each epoch in a line."""

    def __init__(self, on_step: Callable[[str], None], epochs: int) -> None:
        self._on_step, self._epochs = on_step, epochs

    def started(self, *, epoch: int, epochs: int, steps: int, device: str) -> None:
        """Before the first epoch."""
        self._on_step(f"INT8: fine-tuning on {device}, {epochs} epochs of {steps} steps")

    def warned(self, message: str) -> None:
        """What does not work as it should."""
        self._on_step(f"warning: {message}")

    def validated(self, row: EpochRow, *, best: bool) -> None:
        """After each epoch."""
        self._on_step(
            f"INT8: fine-tuned for {row.epoch} of {self._epochs} epochs, loss {row.loss:.3f}, "
            f"validation {row.score_name} {100 * row.score:.2f} %{', best so far' if best else ''}"
        )


def tuning_settings(checkpoint: Checkpoint, *, epochs: int, device: str) -> TrainingSettings:
    """As the checkpoint was trained, but for small steps; what a network without batch norms lacks.

    In fp32: a rounding of values that bf16 has rounded before would not be the file's.

    Raises:
        UsageError: it is of another architecture, whose roundings are not known.
    """
    if not isinstance(checkpoint.network, NetworkConfig) or checkpoint.network.peer is not None:
        raise UsageError(
            "--qat is for the networks of `maskattn-edge train`, and not for peers or published "
            "checkpoints: leave it out"
        )
    former = settings_of(checkpoint.training.get("settings", {}))
    return settings_of(
        checkpoint.training.get("settings", {}),
        epochs=epochs,
        batch=min(BATCH, former.batch),
        learning_rate=LEARNING_RATE * former.learning_rate,
        device=device,
        precision="fp32",
        resize=checkpoint.input.resize,
        contrastive_weight=0.0,  # its head was not kept
        mask_share=None,
    )


def tuned(
    checkpoint: Checkpoint,
    quantized: onnx.ModelProto,
    dataset: DataSet,
    settings: TrainingSettings,
    *,
    untuned_loss: float,
    on_step: Callable[[str], None],
) -> tuple[MaskAttnUNet, Tuning]:
    """The checkpoint's network with weights that suit the roundings of its Q/DQ graph.

    Batch norms are folded before, so that their statistics stay as they are; scales of activations
    are the graph's. The epoch with the best validation score is taken, or none.

    Args:
        checkpoint: of a network of `NetworkConfig`.
        quantized: its graph with Q/DQ, calibrated.
        dataset: with the splits `train` and `val`; see `choosing_set`.
        settings: from `tuning_settings`.
        untuned_loss: of `quantized`, for the report.
        on_step: told what is being done.

    Raises:
        MaskAttnError: the graph quantises what is not found in the network.
        UsageError, DataError, TrainingError: as `fine_tune`.
    """
    network = checkpoint.build()
    assert isinstance(network, MaskAttnUNet)  # tuning_settings refuses others
    folded = fold_batch_norm(network)
    done = fine_tune(
        FakeQuantized(fold_batch_norm(network), quantized),
        dataset,
        network.config,
        settings,
        observer=_Steps(on_step, settings.epochs),
    )
    folded.load_state_dict(done.network.cpu().state_dict())
    return folded, Tuning(
        epochs=settings.epochs,
        images=done.images,
        choosing=len(dataset.split("val")),
        learning_rate=settings.peak_learning_rate,
        device=done.device,
        seconds=sum(row.seconds for row in done.rows),
        before=100 * done.before,
        scores=tuple(100 * row.score for row in done.rows),
        best_epoch=done.best_epoch,
        untuned_loss=untuned_loss,
    )
