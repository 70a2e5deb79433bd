"""The steps of one epoch."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from maskattn_edge.contract.errors import TrainingError
from maskattn_models.training.batches import Batches
from maskattn_models.training.graph import launcher
from maskattn_models.training.interruption import TrainingInterrupted
from maskattn_models.training.observer import Observer
from maskattn_models.training.order import Order
from maskattn_models.training.settings import TrainingSettings
from maskattn_models.training.state import RunState
from maskattn_models.training.step import TrainingStep

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
        self, step: TrainingStep, batches: Batches, order: Order, settings: TrainingSettings
    ) -> None:
        self.state: RunState = step.state
        self.steps = order.steps
        self.captured = False
        self._step = step
        self._batches = batches
        self._order = order
        self._settings = settings
        self._launch: Callable[[], object] | None = None

    def prepare(self, observer: Observer) -> None:
        """Capture the step in a CUDA graph, where there is one and it is wanted; once."""
        if self._launch is None:
            self._step.restart()
            self._launch = launcher(
                self._step,
                graph=self._settings.graph,
                ranks=self._order.ranks,
                warn=observer.warned,
            )
            self.captured = self._launch is not self._step

    def run(self, observer: Observer, stop: Callable[[], bool]) -> EpochResult:
        """Train one epoch.

        Raises:
            TrainingInterrupted: `stop` returned true after a step.
            TrainingError: the loss or the weights are not finite.
        """
        self.prepare(observer)
        assert self._launch is not None
        number = self.state.epoch + 1
        every = _REPORT_EVERY[self.state.device.type]
        losses, ranks = self._step.losses, self._order.ranks
        looked, start = 0, time.perf_counter()
        self._step.restart()
        self._batches.start(self._order.epoch(number))
        for index in range(self.steps):
            self._batches.take(index)
            self._launch()
            self._batches.fetch(index + 1)
            done = index + 1
            look = done % every == 0 or done == self.steps
            if look:
                _check_finite(losses[looked:done], epoch=number, first_step=looked + 1)
                looked = done
                speed = done * self._images / (time.perf_counter() - start)
                loss = float(losses[:done].mean())
                observer.stepped(epoch=number, step=done, loss=loss, images_per_second=speed)
            # Processes ask each other, which costs too much for every step.
            if (look or ranks.world == 1) and ranks.any(stop()):
                raise TrainingInterrupted(
                    f"interrupted in epoch {number} of {self._settings.epochs}"
                )
        seconds = time.perf_counter() - start
        self._check_weights(number)
        return EpochResult(
            loss=float(losses.mean()),
            lr=float(self.state.lr),
            images_per_second=self.steps * self._images / seconds,
        )

    @property
    def _images(self) -> int:
        """Images of one step on all ranks together."""
        return self._order.size * self._order.ranks.world

    def _check_weights(self, epoch: int) -> None:
        """The last step's update shows in no loss of this epoch, but would be saved."""
        values = list(self.state.trained.state_dict().values())
        if not bool(torch.stack([value.isfinite().all() for value in values]).all()):
            raise TrainingError(f"weights are no longer finite after epoch {epoch}: {_MEND}")


_MEND = "lower the learning rate (--lr) and start anew in another --out"


def _check_finite(losses: Tensor, *, epoch: int, first_step: int) -> None:
    finite = losses.isfinite()
    if not bool(finite.all()):
        at = int((~finite).nonzero()[0])
        raise TrainingError(
            f"the loss is {float(losses[at])} in step {first_step + at} of epoch {epoch}: {_MEND}"
        )
