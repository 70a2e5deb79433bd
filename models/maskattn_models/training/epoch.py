"""The steps of one epoch."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from maskattn_edge.contract.errors import TrainingError
from maskattn_models.network import Deployed, NetworkConfig
from maskattn_models.training.augment import augment
from maskattn_models.training.batches import Batches
from maskattn_models.training.device import autocast
from maskattn_models.training.distillation import Teacher, distillation_loss
from maskattn_models.training.interruption import TrainingInterrupted
from maskattn_models.training.key_target import KeyTarget
from maskattn_models.training.loss import segmentation_loss, sqrt_class_weights
from maskattn_models.training.observer import Observer
from maskattn_models.training.schedule import ema_decay, learning_rate
from maskattn_models.training.settings import TrainingSettings
from maskattn_models.training.state import RunState

_REPORT_EVERY = {"cpu": 1, "cuda": 20}
"""Steps between two looks at the loss: each look waits for the device."""


@dataclass(frozen=True, kw_only=True)
class EpochResult:
    """Mean loss, last learning rate, and the speed of training."""

    loss: float
    lr: float
    images_per_second: float


class Epoch:
    """Runs epochs of a state, one after the other."""

    def __init__(
        self,
        state: RunState,
        batches: Batches,
        config: NetworkConfig,
        settings: TrainingSettings,
        teacher: Teacher | None = None,
    ) -> None:
        self.state = state
        self.batches = batches
        self.settings = settings
        self._size = (config.height, config.width)
        self._deployed = Deployed(state.network).to(state.device)
        self._teacher = teacher
        self._class_weights: Tensor | None = None
        share = settings.mask_share
        self._keys = None if share is None else KeyTarget(state.network, share)
        self._total = settings.epochs * batches.steps

    def weigh(self, labels: NDArray[np.uint8]) -> None:
        """Weigh classes by the inverse root of their frequency in `labels`."""
        classes = self.state.network.config.classes
        weights = torch.from_numpy(sqrt_class_weights(labels, classes))
        self._class_weights = weights.to(self.state.device)

    def run(self, observer: Observer, stop: Callable[[], bool]) -> EpochResult:
        """Train one epoch.

        Raises:
            TrainingInterrupted: `stop` returned true after a step.
            TrainingError: the loss or the weights are not finite.
        """
        number = self.state.epoch + 1
        losses = torch.zeros(self.batches.steps, device=self.state.device)
        every = _REPORT_EVERY[self.state.device.type]
        looked, start = 0, time.perf_counter()
        self.state.network.train()
        lr = 0.0
        for index, (images, labels) in enumerate(self.batches.epoch(self.state.generator)):
            lr = self._set_learning_rate()
            losses[index] = self._step(images, labels)
            done = index + 1
            if done % every == 0 or done == self.batches.steps:
                _check_finite(losses[looked:done], epoch=number, first_step=looked + 1)
                looked = done
                speed = done * self.batches.size / (time.perf_counter() - start)
                loss = float(losses[:done].mean())
                observer.stepped(epoch=number, step=done, loss=loss, images_per_second=speed)
            if stop():
                raise TrainingInterrupted(
                    f"interrupted in epoch {number} of {self.settings.epochs}"
                )
        seconds = time.perf_counter() - start
        self._check_weights(number)
        return EpochResult(
            loss=float(losses.mean()),
            lr=lr,
            images_per_second=self.batches.steps * self.batches.size / seconds,
        )

    def _step(self, images: Tensor, labels: Tensor) -> Tensor:
        state, (height, width) = self.state, self._size
        pixels, target = augment(
            images, labels, self.settings.augment, state.generator, height=height, width=width
        )
        loss = self._loss(pixels, target)
        if self._keys is not None:
            loss = loss + self.settings.mask_weight * self._keys.loss()
        state.optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        # One odd batch must not fill Adam's second moments for a thousand steps.
        nn.utils.clip_grad_norm_(state.network.parameters(), self.settings.gradient_clip)
        state.optimizer.step()
        done = torch.tensor(state.step, device=state.device)
        state.average.update(state.network, ema_decay(done, decay=self.settings.ema_decay))
        state.step += 1
        return loss.detach()

    def _loss(self, pixels: Tensor, target: Tensor) -> Tensor:
        """() float32 of augmented images (B, H, W, 3) in 0..255 and labels (B, H, W)."""
        settings = self.settings
        with autocast(self.state.device, settings.precision):
            logits = self.state.network(self._deployed.normalize(pixels))
            taught = None if self._teacher is None else self._teacher.logits(pixels)
        loss = segmentation_loss(
            logits,
            target,
            label_smoothing=settings.label_smoothing,
            class_weights=self._class_weights,
            loss=settings.loss,
        )
        if taught is None:
            return loss
        copied = distillation_loss(logits, taught, temperature=settings.teacher_temperature)
        return (1 - settings.teacher_weight) * loss + settings.teacher_weight * copied

    def _set_learning_rate(self) -> float:
        rate = learning_rate(
            torch.tensor(self.state.step),
            peak=self.settings.peak_learning_rate,
            warmup_steps=round(self.settings.warmup * self._total),
            total_steps=self._total,
        )
        for group in self.state.optimizer.param_groups:
            group["lr"] = float(rate)
        return float(rate)

    def _check_weights(self, epoch: int) -> None:
        """The last step's update shows in no loss of this epoch, but would be saved."""
        values = self.state.network.state_dict().values()
        if not all(bool(value.isfinite().all()) for value in values):
            raise TrainingError(f"weights are no longer finite after epoch {epoch}: {_MEND}")


_MEND = "lower the learning rate (--lr) and start anew in another --out"


def _check_finite(losses: Tensor, *, epoch: int, first_step: int) -> None:
    finite = losses.isfinite()
    if not bool(finite.all()):
        at = int((~finite).nonzero()[0])
        raise TrainingError(
            f"the loss is {float(losses[at])} in step {first_step + at} of epoch {epoch}: {_MEND}"
        )
