"""A split that does not fit on the GPU: batches come from pinned memory while steps run."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from maskattn_models.training.batch import Batch


class _Slot:
    """One batch under way: gathered in pinned host memory, copied to the device beside a step."""

    def __init__(self, sources: Sequence[Tensor], size: int, device: torch.device) -> None:
        shapes = [(size, *source.shape[1:]) for source in sources]
        self.pinned = [torch.empty(shape, dtype=torch.uint8, pin_memory=True) for shape in shapes]
        self.ahead = [torch.empty(shape, dtype=torch.uint8, device=device) for shape in shapes]
        self.arrived = torch.cuda.Event()  # type: ignore[no-untyped-call]
        self.taken = torch.cuda.Event()  # type: ignore[no-untyped-call]


class Streamed:
    """The split stays on the host; two batches are under way to the device at any time.

    Order of one batch: the host gathers it into pinned memory, a side stream copies it to the
    device, the main stream copies it to where the step reads it. Events keep each from
    overwriting what the next has not read yet; the host waits only for a copy that began a
    whole step before.
    """

    resident = False

    def __init__(
        self, sources: Sequence[Tensor], *, steps: int, size: int, device: torch.device
    ) -> None:
        self._sources = sources
        self._device = device
        self._slots = [_Slot(sources, size, device) for _ in range(2)]
        self._side = torch.cuda.Stream(device)  # type: ignore[no-untyped-call]
        self._order = torch.zeros(steps, size, dtype=torch.int64)
        self._batch = Batch(*(torch.zeros_like(held) for held in self._slots[0].ahead))

    def start(self, order: Tensor) -> None:
        """Keep the epoch's indices and begin its first batch."""
        self._order = order
        self.fetch(0)

    def fetch(self, step: int) -> None:
        """Gather the batch of a step on the host and send it off."""
        if step >= len(self._order):
            return
        slot = self._slots[step % 2]
        slot.arrived.synchronize()  # the pinned memory is free once it was copied
        for source, pinned in zip(self._sources, slot.pinned, strict=True):
            torch.index_select(source, 0, self._order[step], out=pinned)
        with torch.cuda.stream(self._side):
            self._side.wait_event(slot.taken)
            for pinned, ahead in zip(slot.pinned, slot.ahead, strict=True):
                ahead.copy_(pinned, non_blocking=True)
            slot.arrived.record(self._side)

    def take(self, step: int) -> None:
        """Put the batch of a step where the step reads it."""
        slot, main = self._slots[step % 2], torch.cuda.current_stream(self._device)
        main.wait_event(slot.arrived)
        for held, ahead in zip(self._batch, slot.ahead, strict=False):  # instances may lack
            assert held is not None
            held.copy_(ahead, non_blocking=True)
        slot.taken.record(main)

    def batch(self, position: Tensor) -> Batch:
        """The batch that was taken; `position` is known to the host already."""
        return self._batch
