"""Batches of a split that lies in memory: on the device if it fits there, else streamed to it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import torch
from torch import Tensor

from maskattn_edge.contract.errors import ContractError
from maskattn_models.data import GridStore
from maskattn_models.training.batch import Batch
from maskattn_models.training.instances import instance_maps
from maskattn_models.training.streaming import Streamed


class Batches(Protocol):
    """Where a step gets its images from.

    `start`, `take` and `fetch` are called by the host around the steps; `batch` is part of the
    step itself, which a CUDA graph may hold, and works on tensors that stay where they are.
    """

    resident: bool

    def start(self, order: Tensor) -> None:
        """Begin an epoch of `order`, (steps, size) int64 indices on the host."""

    def take(self, step: int) -> None:
        """Make the batch of step `step` of the epoch ready for the step that follows."""

    def fetch(self, step: int) -> None:
        """Begin to bring the batch of step `step`, if there is such a step."""

    def batch(self, position: Tensor) -> Batch:
        """The batch of step `position`, (1,) int64, as stored."""


class Resident:
    """The whole split on the device; a batch is gathered there by its indices."""

    resident = True

    def __init__(
        self, sources: Sequence[Tensor], *, steps: int, size: int, device: torch.device
    ) -> None:
        self._held = [source.to(device) for source in sources]
        self._order = torch.zeros(steps, size, dtype=torch.int64, device=device)

    def start(self, order: Tensor) -> None:
        """Copy the epoch's indices to the device."""
        self._order.copy_(order)

    def take(self, step: int) -> None:
        """Nothing: the step knows its position."""

    def fetch(self, step: int) -> None:
        """Nothing: all is there."""

    def batch(self, position: Tensor) -> Batch:
        """Gather the batch of a step."""
        chosen = self._order.index_select(0, position).flatten()
        return Batch(*(held.index_select(0, chosen) for held in self._held))


def open_batches(
    store: GridStore,
    *,
    steps: int,
    size: int,
    device: torch.device,
    resident_share: float,
    things: Sequence[int] = (),
) -> Batches:
    """Batches of `store` on `device`; with instances of the classes `things`, if there are any.

    The split is moved to a GPU if it needs no more than `resident_share` of the memory that is
    free there now; the rest is left to the network. Else each batch is streamed to it.

    Raises:
        ContractError: instances are asked for, but the store has no segments.
    """
    sources = [torch.from_numpy(store.images), torch.from_numpy(store.labels)]
    if things:
        if store.segments is None:
            raise ContractError("instances come from segments: decode the split with them")
        sources.append(torch.from_numpy(instance_maps(store.segments, things)))
    if device.type == "cuda":
        free, _ = torch.cuda.mem_get_info(device)
        if sum(source.nbytes for source in sources) > resident_share * free:
            return Streamed(sources, steps=steps, size=size, device=device)
    return Resident(sources, steps=steps, size=size, device=device)
