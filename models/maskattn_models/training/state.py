"""What training changes from epoch to epoch, and how it is kept and brought back."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from maskattn_models.network import MaskAttnUNet, NetworkConfig, SegmentationNetwork
from maskattn_models.peers import build
from maskattn_models.training.batch_norm import share_batch_norms
from maskattn_models.training.contrastive import embedding_head
from maskattn_models.training.ema import Average
from maskattn_models.training.history import EpochRow
from maskattn_models.training.ranks import Ranks
from maskattn_models.training.settings import TrainingSettings

Random = Mapping[str, Tensor | None]
"""States of a process's random numbers, by name: of augmentation, then of dropout."""


@dataclass(kw_only=True)
class RunState:
    """A run between two epochs. `best_epoch` is 0 as long as none was validated.

    Args:
        network: that is trained.
        average: of its weights.
        embedding: head that is trained beside the network and no part of it, if there is one; see
            `contrastive.py`.
        optimizer: whose learning rate is `lr` in all groups.
        generator: of augmentation, on the device.
        device: that all of these are on.
        lr: () float32 on the device, of the last step.
        step: () int64 on the device, steps done.
        epoch: epochs done.
        best_epoch: with the highest score in validation, see `EpochRow.score`.
        best_score: of that epoch, a fraction.
        history: a row per epoch.
        schedules: (epochs done, epochs planned) of each time that a run was begun or prolonged.
        random_of_ranks: of all processes, in their order, after the last epoch.
    """

    network: SegmentationNetwork
    average: Average[SegmentationNetwork]
    embedding: nn.Conv2d | None
    optimizer: torch.optim.Optimizer
    generator: torch.Generator
    device: torch.device
    lr: Tensor
    step: Tensor
    epoch: int = 0
    best_epoch: int = 0
    best_score: float = -1.0
    history: list[EpochRow] = field(default_factory=list)
    schedules: list[tuple[int, int]] = field(default_factory=list)
    random_of_ranks: list[Random] = field(default_factory=list)

    @property
    def trained(self) -> nn.ModuleList:
        """All that gradients change: the network, and the head that training alone has."""
        return nn.ModuleList([self.network, *([] if self.embedding is None else [self.embedding])])

    def tensors(self) -> Iterator[Tensor]:
        """All tensors that a step changes, apart from the optimizer's."""
        yield from self.trained.state_dict().values()
        yield from self.average.network.state_dict().values()
        yield from (self.lr, self.step)

    def random(self) -> Random:
        """States of this process's random numbers."""
        on_cuda = self.device.type == "cuda"
        return {
            "generator": self.generator.get_state(),
            "torch_random": torch.get_rng_state(),
            "cuda_random": torch.cuda.get_rng_state(self.device) if on_cuda else None,
        }

    def exchange_random(self, ranks: Ranks) -> None:
        """Bring the random states of all ranks to the one that writes them."""
        if ranks.world > 1:
            self.random_of_ranks = ranks.gather(self.random())

    def set_random(self, kept: Random, *, fresh: bool = False) -> None:
        """Go back to what `random` returned.

        Random states are those of a device: on another kind of device they are left alone.
        `fresh` gives the generators of a GPU new states: a capture that failed may have left
        the old ones unusable.
        """
        own, default = kept["generator"], kept.get("cuda_random")
        if kept["torch_random"] is not None:
            torch.set_rng_state(kept["torch_random"])
        if own is not None and own.shape == self.generator.get_state().shape:
            _set_state(self.generator, own, fresh=fresh)
        if self.device.type == "cuda" and default is not None:
            _set_state(torch.cuda.default_generators[self.device.index], default, fresh=fresh)

    def note(self, row: EpochRow) -> bool:
        """Add an epoch to the history; whether it is the best so far."""
        self.history.append(row)
        best = row.score > self.best_score
        if best:
            self.best_epoch, self.best_score = row.epoch, row.score
        return best

    def capture(self) -> dict[str, Any]:
        """What a checkpoint keeps beside the averaged weights, as tensors and plain data."""
        return {
            "weights": self.network.state_dict(),
            "embedding": None if self.embedding is None else self.embedding.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            **self.random(),
            "random_of_ranks": [dict(kept) for kept in self.random_of_ranks],
            "epoch": self.epoch,
            "step": int(self.step),
            "best_epoch": self.best_epoch,
            "best_score": self.best_score,
            "schedules": [list(schedule) for schedule in self.schedules],
        }

    def restore(
        self, kept: Mapping[str, Any], average_weights: Mapping[str, Any], ranks: Ranks
    ) -> None:
        """Go back to what `capture` returned on the first rank.

        With another number of processes than before, random numbers of those beside the first
        one start afresh.

        Raises:
            KeyError, RuntimeError, TypeError, ValueError: `kept` is damaged.
        """
        self.network.load_state_dict(dict(kept["weights"]))
        if self.embedding is not None:
            self.embedding.load_state_dict(dict(kept["embedding"]))
        self.average.network.load_state_dict(dict(average_weights))
        own = [group.copy() for group in self.optimizer.param_groups]
        self.optimizer.load_state_dict(dict(kept["optimizer"]))
        for group, ours in zip(self.optimizer.param_groups, own, strict=True):
            # The learning rate's tensor, and what suits this device, stay as they were made.
            group.update({name: ours[name] for name in ("lr", "capturable", "fused")})
        others = kept.get("random_of_ranks", [])
        if ranks.first:
            self.set_random(kept)
        elif len(others) == ranks.world:
            self.set_random(others[ranks.rank])
        self.epoch = int(kept["epoch"])
        self.step.fill_(int(kept["step"]))
        score = kept["best_miou"] if "best_miou" in kept else kept["best_score"]  # once its name
        self.best_epoch, self.best_score = int(kept["best_epoch"]), float(score)
        self.schedules = [(int(done), int(planned)) for done, planned in kept.get("schedules", [])]


def new_state(
    config: NetworkConfig,
    settings: TrainingSettings,
    device: torch.device,
    ranks: Ranks | None = None,
    *,
    pretrained: bool = False,
) -> RunState:
    """A run before its first epoch; seeds PyTorch's global random numbers, which dropout uses.

    All ranks begin with the same weights, and augment and drop by numbers of their own.
    `pretrained` gives the network's backbone its ImageNet weights.
    """
    torch.manual_seed(settings.seed)
    network = build(config)
    if pretrained and isinstance(network, MaskAttnUNet):
        network.load_pretrained()
    return state_of(network, settings, device, ranks)


def state_of(
    network: SegmentationNetwork,
    settings: TrainingSettings,
    device: torch.device,
    ranks: Ranks | None = None,
) -> RunState:
    """A run that goes on from a network's weights; those that need no gradient stay as they are."""
    ranks = ranks or Ranks()
    # Measured: convolutions on the CPU train twice as fast with channels last.
    network = network.to(device).to(memory_format=torch.channels_last)
    average = Average(network)
    embedding = None
    if settings.contrastive_weight and isinstance(network, MaskAttnUNet):  # others were refused
        embedding = embedding_head(network).to(device)
    share_batch_norms(network, ranks, device)
    own_seed = (settings.seed + ranks.rank) % 2**63
    if not ranks.first:
        torch.manual_seed(own_seed)
    lr = torch.tensor(settings.peak_learning_rate, device=device)
    trained = [*network.parameters(), *(() if embedding is None else embedding.parameters())]
    return RunState(
        network=network,
        average=average,
        embedding=embedding,
        optimizer=_adamw(trained, settings, lr),
        generator=torch.Generator(device).manual_seed(own_seed),
        device=device,
        lr=lr,
        step=torch.zeros((), dtype=torch.int64, device=device),
        schedules=[(0, settings.epochs)],
    )


def _adamw(
    parameters: Sequence[Tensor], settings: TrainingSettings, lr: Tensor
) -> torch.optim.Optimizer:
    """AdamW (arxiv.org/abs/1711.05101) that decays neither biases nor the scales of norms."""
    weights = [p for p in parameters if p.ndim > 1]
    others = [p for p in parameters if p.ndim <= 1]
    groups = [
        {"params": weights, "weight_decay": settings.weight_decay},
        {"params": others, "weight_decay": 0.0},
    ]
    # Capturable: the count of steps, which corrects the moments, is a tensor on the device.
    optimizer = torch.optim.AdamW(groups, fused=True, capturable=lr.device.type == "cuda")
    for group in optimizer.param_groups:
        group["lr"] = lr  # set here, because a check on construction would wait for the device
    return optimizer


def _set_state(generator: torch.Generator, kept: Tensor, *, fresh: bool) -> None:
    if not fresh or generator.device.type != "cuda":
        generator.set_state(kept)
        return
    new = torch.Generator(generator.device)
    new.set_state(kept)
    generator.graphsafe_set_state(new.graphsafe_get_state())
