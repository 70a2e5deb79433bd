"""The order of training images: a function of the seed and the epoch, with no state to keep."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from maskattn_edge.contract.errors import UsageError
from maskattn_models.training.ranks import Ranks


@dataclass(frozen=True, kw_only=True)
class Order:
    """Which images make up the steps of an epoch on one rank.

    All batches have one size: what is left over at an epoch's end is left out of it, other
    images in each epoch.

    Args:
        images: of the split, 1 or more.
        batch: images of one step on all ranks together; a smaller split makes one batch.
        seed: of the order.
        ranks: a batch is divided among them.

    Raises:
        UsageError: the batch cannot be divided among the ranks.
    """

    images: int
    batch: int
    seed: int
    ranks: Ranks

    def __post_init__(self) -> None:
        if self.batch % self.ranks.world:
            raise UsageError(
                f"a batch of {self.batch} cannot be divided among {self.ranks.world} processes: "
                f"choose a --batch that is a multiple of {self.ranks.world}"
            )
        if self.images < self.ranks.world:
            raise UsageError(
                f"{self.images} training images are too few for {self.ranks.world} processes: "
                "start fewer"
            )

    @property
    def size(self) -> int:
        """Images of one step on this rank."""
        return min(self.batch, self.images) // self.ranks.world

    @property
    def steps(self) -> int:
        """Steps of an epoch."""
        return self.images // (self.size * self.ranks.world)

    def epoch(self, number: int) -> Tensor:
        """Indices of the images of each step of an epoch, (steps, size) int64 on the host."""
        order = np.random.default_rng([self.seed, number]).permutation(self.images)
        world, size = self.ranks.world, self.size
        used = order[: self.steps * world * size].reshape(self.steps, world, size)
        return torch.from_numpy(used[:, self.ranks.rank].astype(np.int64))
