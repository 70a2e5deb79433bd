"""Training steps without epochs, validation or files, for measuring how fast they are."""

from __future__ import annotations

import torch

from maskattn_models.data import GridStore
from maskattn_models.network import NetworkConfig
from maskattn_models.training.batches import open_batches
from maskattn_models.training.graph import launcher
from maskattn_models.training.order import Order
from maskattn_models.training.performance import peak_memory_bytes, reset_peak_memory
from maskattn_models.training.ranks import Ranks
from maskattn_models.training.settings import TrainingSettings
from maskattn_models.training.state import new_state
from maskattn_models.training.step import TrainingStep


class Stepper:
    """A fresh network and the steps that train it, launched as `train` launches them.

    Args:
        config: of the network.
        settings: of the run; `graph` decides how steps are launched.
        store: training images of the working size.
        device: where to compute.

    Attributes:
        captured: whether steps are replayed from a CUDA graph.
        warning: why they are not, though they should be; else "".
    """

    def __init__(
        self,
        config: NetworkConfig,
        settings: TrainingSettings,
        store: GridStore,
        device: torch.device,
    ) -> None:
        self.warning = ""
        self._device = device
        reset_peak_memory(device)
        order = Order(images=len(store), batch=settings.batch, seed=settings.seed, ranks=Ranks())
        self._order, self._at = order, 0
        self._batches = open_batches(
            store,
            steps=order.steps,
            size=order.size,
            device=device,
            resident_share=settings.resident_share,
        )
        self._step = TrainingStep(
            new_state(config, settings, device),
            self._batches,
            config,
            settings,
            ranks=Ranks(),
            steps=order.steps,
            class_weights=None,
        )
        self._step.restart()
        self._launch = launcher(
            self._step, graph=settings.graph, ranks=Ranks(), warn=self._note_warning
        )
        self.captured = self._launch is not self._step

    def run(self, steps: int) -> float:
        """Run steps, epoch after epoch, until the device is done; the last loss."""
        for _ in range(steps):
            index = self._at % self._order.steps
            if index == 0:
                self._step.restart()
                self._batches.start(self._order.epoch(1 + self._at // self._order.steps))
            self._batches.take(index)
            self._launch()
            self._batches.fetch(index + 1)
            self._at += 1
        last = (self._at - 1) % self._order.steps
        return float(self._step.losses[last])  # waits for the device

    def peak_memory_bytes(self) -> int | None:
        """Most memory that PyTorch has held on the GPU for it; None on the CPU."""
        return peak_memory_bytes(self._device)

    def _note_warning(self, message: str) -> None:
        self.warning = message
