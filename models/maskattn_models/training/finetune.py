"""Going on from trained weights: the same losses and augmentation, small steps, the best kept."""

from __future__ import annotations

import copy
import time
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, Generic, TypeVar

import torch

from maskattn_models.data import DataSet
from maskattn_models.network import Deployed, NetworkConfig, SegmentationNetwork
from maskattn_models.training.device import choose_device
from maskattn_models.training.epoch import EpochResult
from maskattn_models.training.history import EpochRow
from maskattn_models.training.interruption import Stop, never
from maskattn_models.training.loading import load_splits
from maskattn_models.training.observer import Observer
from maskattn_models.training.preconditions import check_fits
from maskattn_models.training.ranks import Ranks
from maskattn_models.training.settings import AugmentSettings, TrainingSettings
from maskattn_models.training.state import RunState, state_of
from maskattn_models.training.trainer import epochs_of, own_random_numbers
from maskattn_models.training.validation import Validation, validate

Network = TypeVar("Network", bound=SegmentationNetwork)


@dataclass(frozen=True, kw_only=True, eq=False)
class FineTuned(Generic[Network]):
    """What came of it.

    Args:
        network: with the weights that scored best in validation; those that it came with if no
            epoch was better.
        before: score of these, a fraction: PQ where objects are told apart, else mIoU.
        rows: an epoch each.
        best_epoch: counted from 1; 0 if none was better.
        images: of the training split.
        device: `cpu` or `cuda`.
    """

    network: Network
    before: float
    rows: tuple[EpochRow, ...]
    best_epoch: int
    images: int
    device: str


def fine_tune(
    network: Network,
    dataset: DataSet,
    config: NetworkConfig,
    settings: TrainingSettings,
    *,
    observer: Observer | None = None,
    stop: Stop = never,
) -> FineTuned[Network]:
    """Train a network further on the split `train`, and keep its best epoch on `val`.

    Nothing is written. Weights that need no gradient, and modules that do not learn in training
    mode, stay as they are.

    Args:
        network: with its weights; it is moved to the device and changed.
        dataset: with the splits `train` and `val`.
        config: of the network; its classes are those of the data.
        settings: of the run; `peak_learning_rate` is where its cosine begins.
        observer: told how it goes.
        stop: asked after each step; if true it ends with `TrainingInterrupted`.

    Raises:
        UsageError, DataError, TrainingError, TrainingInterrupted: as `train`.
    """
    observer, device = observer or Observer(), choose_device(settings.device)
    check_fits(dataset, config, settings)
    training, validation = load_splits(dataset, config, settings, observer, stop)
    with own_random_numbers(device):
        torch.manual_seed(settings.seed)
        state = state_of(network, settings, device)
        epoch, _ = epochs_of(state, training, config, settings, Ranks())
        deployed = Deployed(state.average.network).to(device)

        def score() -> Validation:
            return validate(deployed, validation, classes=dataset.classes, device=device)

        before = _row(state, score(), config)
        best, state.best_score = copy.deepcopy(state.average.network.state_dict()), before.score
        observer.started(epoch=0, epochs=settings.epochs, steps=epoch.steps, device=device.type)
        while state.epoch < settings.epochs:
            start = time.perf_counter()
            done = epoch.run(observer, stop)
            state.epoch += 1
            row = _row(state, score(), config, done, seconds=time.perf_counter() - start)
            if better := state.note(row):
                best = copy.deepcopy(state.average.network.state_dict())
            observer.validated(row, best=better)
    network.load_state_dict(best)
    return FineTuned(
        network=network,
        before=before.score,
        rows=tuple(state.history),
        best_epoch=state.best_epoch,
        images=len(training),
        device=device.type,
    )


def settings_of(plain: Mapping[str, Any], **changes: object) -> TrainingSettings:
    """Settings from the plain data that a checkpoint keeps of them, with changes.

    Names that are not known here, of another version, are left out; what is missing is as usual.

    Raises:
        UsageError: a number is out of range, or a name unknown.
    """
    known = {one.name for one in fields(TrainingSettings)}
    kept = {name: value for name, value in plain.items() if name in known}
    augment = kept.pop("augment", None)
    if isinstance(augment, Mapping):
        names = {one.name for one in fields(AugmentSettings)}
        values = {name: value for name, value in augment.items() if name in names}
        if "scale" in values:
            values["scale"] = tuple(values["scale"])  # plain data have lists
        kept["augment"] = AugmentSettings(**values)
    return TrainingSettings(**kept | changes)


def _row(
    state: RunState,
    found: Validation,
    config: NetworkConfig,
    done: EpochResult | None = None,
    *,
    seconds: float = 0.0,
) -> EpochRow:
    return EpochRow(
        epoch=state.epoch,
        loss=done.loss if done else float("nan"),
        val_miou=found.miou,
        val_pixel_accuracy=found.pixel_accuracy,
        val_pq=found.quality(config),
        lr=done.lr if done else 0.0,
        seconds=seconds,
        images_per_second=done.images_per_second if done else 0.0,
    )
