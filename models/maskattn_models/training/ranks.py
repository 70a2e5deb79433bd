"""Several processes that train one network: each is a rank, and takes its share of each batch.

Gradients are summed by one all-reduce of one flat tensor inside the step. PyTorch's
DistributedDataParallel overlaps that with the backward pass, which pays for networks a hundred
times larger; its hooks and buckets hold on to what a CUDA graph must own, and ask for eleven
warm-up steps before a capture. One collective is captured like any other kernel.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, TypeVar

import numpy as np
import torch
import torch.distributed as dist
from numpy.typing import NDArray
from torch import Tensor

from maskattn_edge.contract.errors import MaskAttnError, UsageError
from maskattn_models.data import GridStore

T = TypeVar("T")
Number = TypeVar("Number", np.int64, np.float64)

_PATIENCE = timedelta(minutes=30)
"""A rank waits so long for the others, for example while the first one writes pictures."""


@dataclass(frozen=True, kw_only=True)
class Ranks:
    """Which process this is, and what it says to the others; alone, all of it costs nothing.

    Args:
        rank: of this process among all, from 0; the first one writes files and prints.
        world: number of processes.
        local_rank: of this process on its host: the number of its GPU.
    """

    rank: int = 0
    world: int = 1
    local_rank: int = 0

    @property
    def first(self) -> bool:
        """Whether this process writes and prints."""
        return self.rank == 0

    def any(self, value: bool) -> bool:
        """Whether `value` is true on any rank."""
        return any(self.gather(value))

    def gather(self, value: T) -> list[T]:
        """The values of all ranks, in their order; of plain data, on the host."""
        if self.world == 1:
            return [value]
        values: list[Any] = [None] * self.world
        dist.all_gather_object(values, value)
        return values

    def together(self, work: Callable[[], T]) -> T:
        """Do `work` on each rank; where it fails on one, all raise that error.

        Raises:
            MaskAttnError: what `work` raised here, else on the lowest rank where it failed.
        """
        if self.world == 1:
            return work()
        result, error = _attempt(work)
        errors = [other for other in self.gather(error) if other is not None]
        if errors:
            raise error or errors[0]
        return result  # type: ignore[return-value]  # there is one where there is no error

    def by_first(self, work: Callable[[], T]) -> T:
        """Do `work` on the first rank; all return its result, or raise its error.

        Raises:
            MaskAttnError: what `work` raised.
        """
        if self.world == 1:
            return work()
        answer: list[Any] = list(_attempt(work)) if self.first else [None, None]
        dist.broadcast_object_list(answer, src=0, device=torch.device("cpu"))
        if answer[1] is not None:
            raise answer[1]
        result: T = answer[0]
        return result

    def sum(self, counts: NDArray[Number]) -> NDArray[Number]:
        """Counts of all ranks, added up."""
        if self.world == 1:
            return counts
        total = torch.from_numpy(counts.copy())
        dist.all_reduce(total)
        return total.numpy()

    def part(self, store: GridStore) -> GridStore:
        """The images of `store` that this rank looks at: every so many, none twice."""
        if self.world == 1:
            return store
        own = slice(self.rank, None, self.world)
        segments = None if store.segments is None else store.segments.part(own)
        return GridStore(images=store.images[own], labels=store.labels[own], segments=segments)

    def share(self, weight: Tensor) -> Tensor | None:
        """Part of all ranks' weight that is here, () float32; None, for 1, if it is alone."""
        if self.world == 1:
            return None
        total = weight.detach().clone()
        dist.all_reduce(total)
        return weight / total.clamp(min=1e-6)

    def total(self, sums: Tensor, share: Tensor | None) -> Tensor:
        """Sums of all ranks, of any shape; the gradient is that of this rank's part.

        `share` is what the rank's loss will be multiplied by: here it is taken out of the gradient,
        which then adds up over the ranks to that of the loss of all sums.
        """
        if share is None:
            return sums
        everywhere = sums.detach().clone()
        dist.all_reduce(everywhere)
        return everywhere + (sums - sums.detach()) / share.clamp(min=1e-6)

    def add_up(self, gradients: Sequence[Tensor], loss: Tensor) -> Tensor:
        """Replace gradients by their sums over all ranks; the sum of the losses, ().

        All travel in one tensor: on a small network a collective costs its latency. A loss that
        is not finite reaches every rank in this way.
        """
        if self.world == 1:
            return loss
        flat = torch.cat([*(value.reshape(-1) for value in gradients), loss.reshape(1)])
        dist.all_reduce(flat)
        sizes = [*(value.numel() for value in gradients), 1]
        *parts, total = torch.split(flat, sizes)
        for value, part in zip(gradients, parts, strict=True):
            value.copy_(part.view(value.shape))
        return total.reshape(())


def _attempt(work: Callable[[], T]) -> tuple[T | None, MaskAttnError | None]:
    try:
        return work(), None
    except MaskAttnError as error:
        return None, error


@contextmanager
def joined(environment: Mapping[str, str], *, cuda: bool) -> Iterator[Ranks]:
    """Join the processes that `torchrun` started, for the length of a run.

    Args:
        environment: with torchrun's variables; without them the process is alone.
        cuda: whether to compute on this host's GPU number LOCAL_RANK; gradients then travel by
            NCCL. What is said on the host goes by Gloo, always.

    Raises:
        UsageError: this host has fewer GPUs than processes, or the others are not reached.
    """
    ranks = _from_environment(environment)
    if ranks.world == 1:
        yield ranks
        return
    if cuda:
        if ranks.local_rank >= torch.cuda.device_count():
            raise UsageError(
                f"process {ranks.local_rank + 1} of this host has no GPU of its own: there are "
                f"{torch.cuda.device_count()}; start as many with --nproc-per-node, or choose "
                "--device cpu"
            )
        torch.cuda.set_device(ranks.local_rank)
    try:
        dist.init_process_group("cpu:gloo,cuda:nccl" if cuda else "gloo", timeout=_PATIENCE)
    except (ValueError, RuntimeError) as error:
        reason = " ".join(str(error).split())[:160]
        raise UsageError(f"the other processes are not reached ({reason}): use torchrun") from error
    try:
        yield ranks
    finally:
        dist.destroy_process_group()


def _from_environment(environment: Mapping[str, str]) -> Ranks:
    rank, world, local = (
        environment.get(name, default)
        for name, default in (("RANK", "0"), ("WORLD_SIZE", "1"), ("LOCAL_RANK", "0"))
    )
    try:
        return Ranks(rank=int(rank), world=int(world), local_rank=int(local))
    except ValueError as error:
        raise UsageError(
            f"RANK {rank!r}, WORLD_SIZE {world!r} and LOCAL_RANK {local!r} are not all numbers: "
            "start several processes with torchrun, or unset these variables"
        ) from error
