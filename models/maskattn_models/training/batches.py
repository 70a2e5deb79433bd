"""Batches of a split that lies in memory, on the device if it fits there."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from maskattn_models.data import GridStore


class Batches:
    """Random batches, all of one size: what is left over at an epoch's end waits for the next.

    Args:
        store: the split.
        batch: size; a smaller split makes one batch.
        device: where batches are wanted.
    """

    def __init__(self, store: GridStore, batch: int, device: torch.device) -> None:
        self.size = min(batch, len(store))
        self.steps = len(store) // self.size
        self.device = device
        held = device if _fits(store, device) else torch.device("cpu")
        self.images = torch.from_numpy(store.images).to(held)
        self.labels = torch.from_numpy(store.labels).to(held)

    def epoch(self, generator: torch.Generator) -> Iterator[tuple[Tensor, Tensor]]:
        """Images (B, h, w, 3) and labels (B, h, w), both uint8, in a fresh random order."""
        order = torch.randperm(len(self.images), generator=generator, device=generator.device)
        order = order.to(self.images.device)
        for step in range(self.steps):
            chosen = order[step * self.size : (step + 1) * self.size]
            yield self.images[chosen].to(self.device), self.labels[chosen].to(self.device)


def _fits(store: GridStore, device: torch.device) -> bool:
    if device.type != "cuda":
        return True
    free, _ = torch.cuda.mem_get_info(device)
    return store.images.nbytes + store.labels.nbytes < 0.5 * free
