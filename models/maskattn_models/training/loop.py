"""The epochs of a run, one after the other: train, validate, save."""

from __future__ import annotations

import time

from maskattn_edge.contract.errors import TrainingError
from maskattn_models.data import GridStore
from maskattn_models.network import Deployed
from maskattn_models.training.batches import Batches
from maskattn_models.training.epoch import Epoch
from maskattn_models.training.history import EpochRow
from maskattn_models.training.interruption import Stop, TrainingInterrupted
from maskattn_models.training.observer import Observer
from maskattn_models.training.performance import Performance, measured
from maskattn_models.training.ranks import Ranks
from maskattn_models.training.record import Record
from maskattn_models.training.settings import TrainingSettings
from maskattn_models.training.state import RunState
from maskattn_models.training.validation import Validation, validate


def run_epochs(
    state: RunState,
    epoch: Epoch,
    batches: Batches,
    record: Record,
    validation: GridStore,
    observer: Observer,
    stop: Stop,
    ranks: Ranks,
) -> None:
    """Train, validate and save until the last epoch, or until none gets better any more.

    Args:
        state: of the run, at the epoch to go on from.
        epoch: what trains one.
        batches: where its images come from.
        record: what is written after each.
        validation: the split that chooses the best epoch.
        observer: told how it goes.
        stop: asked after each step.
        ranks: that train together.

    Raises:
        TrainingInterrupted, TrainingError: as `train`; the message says what is saved.
        CheckpointError: a file cannot be written.
    """
    settings = record.settings
    share = ranks.part(validation)
    deployed = Deployed(state.average.network).to(state.device)
    try:
        while state.epoch < settings.epochs and not _patience_is_over(state, settings):
            start = time.perf_counter()
            done = epoch.run(observer, stop)
            found = validate(
                deployed, share, classes=record.dataset.classes, device=state.device
            ).summed(ranks)
            state.epoch += 1
            row = EpochRow(
                epoch=state.epoch,
                loss=done.loss,
                val_miou=found.miou,
                val_pixel_accuracy=found.pixel_accuracy,
                val_pq=found.quality(record.config),
                lr=done.lr,
                seconds=time.perf_counter() - start,
                images_per_second=done.images_per_second,
            )
            best = state.note(row)
            performance = measured(
                state.history,
                state.device,
                processes=ranks.world,
                graph=epoch.captured,
                resident=batches.resident,
            )
            state.exchange_random(ranks)
            _save(record, state, found if best else None, performance, ranks)
            observer.validated(row, best=best)
    except TrainingInterrupted as error:
        _draw(record, state, ranks)
        raise TrainingInterrupted(f"{error}; {_summary(state)}; go on with --resume") from error
    except TrainingError as error:
        raise TrainingError(f"{error}; {_summary(state)}") from error
    _draw(record, state, ranks)


def _save(
    record: Record,
    state: RunState,
    best: Validation | None,
    performance: Performance,
    ranks: Ranks,
) -> None:
    ranks.by_first(lambda: record.save(state, best, performance))


def _draw(record: Record, state: RunState, ranks: Ranks) -> None:
    ranks.by_first(lambda: record.draw(state))


def _patience_is_over(state: RunState, settings: TrainingSettings) -> bool:
    return settings.patience is not None and state.epoch - state.best_epoch >= settings.patience


def _summary(state: RunState) -> str:
    if not state.best_epoch:
        return "no epoch was finished"
    best = state.history[state.best_epoch - 1]
    return (
        f"saved up to epoch {state.epoch}, the best is epoch {state.best_epoch} "
        f"with validation {best.score_name} {100 * best.score:.1f} %"
    )
