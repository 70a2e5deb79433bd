"""A training run, from a data set to a folder with checkpoints, curves and pictures.

`last.pt` holds all that is needed to go on, `best.pt` the averaged weights with the highest
validation mIoU. Both are written whole after each epoch, so that a run may be killed at any
moment.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from maskattn_edge.contract.classes import IGNORE, things_of
from maskattn_edge.contract.errors import CheckpointError, DataError, TrainingError, UsageError
from maskattn_models.backbone import pretrained_path
from maskattn_models.checkpoint import Checkpoint, load_checkpoint
from maskattn_models.data import DataSet, GridStore, decode_split
from maskattn_models.network import Deployed, NetworkConfig
from maskattn_models.training.batches import Batches, open_batches
from maskattn_models.training.contrastive import check_contrastive
from maskattn_models.training.curves import check_drawing
from maskattn_models.training.device import choose_device
from maskattn_models.training.distillation import Teacher, check_teacher
from maskattn_models.training.epoch import Epoch
from maskattn_models.training.history import EpochRow, to_rows
from maskattn_models.training.interruption import TrainingInterrupted
from maskattn_models.training.key_target import check_masked
from maskattn_models.training.loss import sqrt_class_weights
from maskattn_models.training.observer import Observer
from maskattn_models.training.order import Order
from maskattn_models.training.performance import Performance, measured, reset_peak_memory
from maskattn_models.training.ranks import Ranks
from maskattn_models.training.record import Record, describe_run
from maskattn_models.training.resume import check_same
from maskattn_models.training.samples import take_samples
from maskattn_models.training.settings import TrainingSettings
from maskattn_models.training.state import RunState, new_state
from maskattn_models.training.step import TrainingStep
from maskattn_models.training.validation import Validation, validate

Stop = Callable[[], bool]


def never() -> bool:
    """The `stop` of a run that nobody interrupts."""
    return False


def train(
    dataset: DataSet,
    config: NetworkConfig,
    settings: TrainingSettings,
    out: Path,
    *,
    teacher: Checkpoint | None = None,
    resume: bool = False,
    observer: Observer | None = None,
    stop: Stop = never,
    ranks: Ranks | None = None,
) -> Checkpoint:
    """Train a network on the split `train`, choose its best epoch on `val`.

    The same seed gives the same weights on the CPU, and a resumed run there equals one that was
    not interrupted, bit for bit.

    Args:
        dataset: with the splits `train` and `val`.
        config: of the network; its classes are those of the data.
        settings: of the run.
        out: folder for `last.pt`, `best.pt`, `history.csv`, `curves.png`, `predictions.png` and
            `masks.png`.
        teacher: a trained network whose answers this one learns beside the labels.
        resume: go on from `out`/last.pt; for longer, if `settings` has more epochs.
        observer: told how the run goes.
        stop: asked after each step; if true the run ends with `TrainingInterrupted`.
        ranks: this process among those that train together, see `joined`; each holds the data,
            and only the first one writes to `out` and is told by others how the run goes.

    Returns:
        The best checkpoint, as read from `best.pt`.

    Raises:
        UsageError: `out` holds a run and `resume` is false; there is none to resume, or it had
            other data or settings; a split is missing; CUDA is asked for and not there; the
            teacher has other classes or another input; a share of keys is asked for where there
            are no masks, or a loss of instances where none are learned.
        MissingDependencyError: the backbone's pretrained weights are not installed.
        DataError: the data cannot be read, does not fit in memory, or has no labels.
        TrainingError: the loss or the weights are no longer finite.
        TrainingInterrupted: `stop` returned true.
        CheckpointError: a checkpoint cannot be written or read.
    """
    observer, ranks = observer or Observer(), ranks or Ranks()
    check_drawing()
    device = choose_device(settings.device, index=ranks.local_rank)
    _check_classes(dataset, config)
    check_masked(config, settings.mask_share)
    check_contrastive(config, settings.contrastive_weight)
    former = ranks.by_first(lambda: _former(out, resume))
    pretrained = former is None and settings.pretrained and config.backbone is not None
    if pretrained:
        pretrained_path()  # says what is missing before the data are read
    if teacher is not None:
        check_teacher(teacher, dataset.classes, config, settings.resize)
    run = ranks.together(lambda: describe_run(dataset, config, settings))
    run["teacher"] = None if teacher is None else teacher.sha256
    _check_same_data(run, ranks)
    if former is not None:
        check_same(former.training["run"], run)
    training, validation = ranks.together(lambda: _load(dataset, config, settings, observer, stop))
    with _own_random_numbers(device):
        reset_peak_memory(device)
        # Before the seed is set: building a network takes random numbers.
        guide = None if teacher is None else Teacher(teacher, device)
        state = new_state(config, settings, device, ranks, pretrained=pretrained)
        if former is not None:
            _restore(state, former, out, settings, ranks)
        record = Record(
            out=out,
            dataset=dataset,
            config=config,
            settings=settings,
            run=run,
            validation=validation,
            samples=take_samples(dataset, validation, settings.resize, config.things)
            if settings.samples
            else None,
        )
        epoch, batches = _epoch(state, training, config, settings, ranks, guide)
        if ranks.first:
            record.clean()
        if former is None:
            _exchange_random(state, ranks)
            ranks.by_first(lambda: record.save_last(state))
        observer.started(
            epoch=state.epoch, epochs=settings.epochs, steps=epoch.steps, device=device.type
        )
        _run(state, epoch, batches, record, validation, observer, stop, ranks)
    return ranks.by_first(lambda: load_checkpoint(record.best_path))


def _epoch(
    state: RunState,
    training: GridStore,
    config: NetworkConfig,
    settings: TrainingSettings,
    ranks: Ranks,
    teacher: Teacher | None,
) -> tuple[Epoch, Batches]:
    """What runs the epochs, and where their images come from."""
    order = Order(images=len(training), batch=settings.batch, seed=settings.seed, ranks=ranks)
    batches = open_batches(
        training,
        steps=order.steps,
        size=order.size,
        device=state.device,
        resident_share=settings.resident_share,
        things=config.things,
    )
    weights = None
    if settings.class_weights == "sqrt":
        weights = torch.from_numpy(sqrt_class_weights(training.labels, config.classes))
        weights = weights.to(state.device)
    step = TrainingStep(
        state,
        batches,
        config,
        settings,
        ranks=ranks,
        steps=order.steps,
        class_weights=weights,
        teacher=teacher,
    )
    return Epoch(step, batches, order, settings), batches


def _run(
    state: RunState,
    epoch: Epoch,
    batches: Batches,
    record: Record,
    validation: GridStore,
    observer: Observer,
    stop: Stop,
    ranks: Ranks,
) -> None:
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
            best = _note(state, row)
            performance = measured(
                state.history,
                state.device,
                processes=ranks.world,
                graph=epoch.captured,
                resident=batches.resident,
            )
            _exchange_random(state, ranks)
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


def _exchange_random(state: RunState, ranks: Ranks) -> None:
    """Bring the random states of all ranks to the one that writes them."""
    if ranks.world > 1:
        state.random_of_ranks = ranks.gather(state.random())


def _note(state: RunState, row: EpochRow) -> bool:
    """Add an epoch to the history; whether it is the best so far."""
    state.history.append(row)
    best = row.score > state.best_score
    if best:
        state.best_epoch, state.best_score = row.epoch, row.score
    return best


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


def _check_classes(dataset: DataSet, config: NetworkConfig) -> None:
    if config.classes != len(dataset.classes):
        raise UsageError(
            f"the network has {config.classes} classes, {dataset.name} has {len(dataset.classes)}"
        )
    things = things_of(dataset.classes)
    if config.finds_objects and config.things != things:
        raise UsageError(f"things of the network are {config.things}, of {dataset.name} {things}")
    if config.task not in dataset.tasks:
        raise DataError(
            f"{dataset.root}: its truth is enough for {' and '.join(sorted(dataset.tasks))}, not "
            f"for {config.task}: train for one of those, or add instances/ beside masks/"
        )
    if config.finds_objects and len(things) == config.classes:
        raise DataError(
            f"{dataset.root}: all of its classes are things, and a network must learn what is no "
            "object: add a class for the background, which is no thing, to classes.json and masks"
        )


def _check_same_data(run: Mapping[str, Any], ranks: Ranks) -> None:
    """Refuse hosts whose copies of the data differ, all of them with the same message."""
    names = ("training_data", "validation_data")
    found = ranks.gather([run[name] for name in names])
    if any(hashes != found[0] for hashes in found):
        other = next(rank for rank, hashes in enumerate(found) if hashes != found[0])
        raise DataError(
            f"process {other} reads other data than process 0: copy the same data set to all hosts"
        )


def _former(out: Path, resume: bool) -> Checkpoint | None:
    last = out / "last.pt"
    if not resume:
        if last.exists():
            raise UsageError(
                f"{out} holds a training run: go on with --resume, or choose another --out"
            )
        return None
    if not last.exists():
        raise UsageError(f"{last}: no such file, so there is no run to resume; leave out --resume")
    former = load_checkpoint(last)
    if former.resume is None or "run" not in former.training:
        raise UsageError(f"{last}: it holds no state of a run, so that it cannot be resumed")
    return former


def _restore(
    state: RunState, former: Checkpoint, out: Path, settings: TrainingSettings, ranks: Ranks
) -> None:
    assert former.resume is not None  # checked when it was read
    try:
        state.restore(former.resume, former.weights, ranks)
        state.history = to_rows(former.history)
    except (KeyError, RuntimeError, TypeError, ValueError, AttributeError) as error:
        raise CheckpointError(
            f"{out / 'last.pt'}: its state of the run is damaged: start anew in another --out"
        ) from error
    planned = state.schedules[-1][1] if state.schedules else settings.epochs
    if settings.epochs != planned:
        state.schedules.append((state.epoch, settings.epochs))
    best = out / "best.pt"
    if not ranks.by_first(lambda: best.exists() or not state.best_epoch):
        raise CheckpointError(
            f"{best}: no such file, though epoch {state.best_epoch} was the best: put it back "
            "beside last.pt, or start anew in another --out"
        )


def _load(
    dataset: DataSet,
    config: NetworkConfig,
    settings: TrainingSettings,
    observer: Observer,
    stop: Stop,
) -> tuple[GridStore, GridStore]:
    """The training split at the working size, the validation split at the network's."""
    stores = []
    for split, scale in (("train", settings.working_scale), ("val", 1.0)):

        def progress(done: int, total: int, split: str = split) -> None:
            observer.loading(split, done, total)
            if stop():
                raise TrainingInterrupted("interrupted while the data were read")

        store = decode_split(
            dataset,
            split,
            height=round(config.height * scale),
            width=round(config.width * scale),
            resize=settings.resize,
            segments=config.finds_objects,
            progress=progress,
        )
        _check_labelled(store.labels, dataset, split)
        stores.append(store)
    return stores[0], stores[1]


def _check_labelled(labels: NDArray[np.uint8], dataset: DataSet, split: str) -> None:
    if (labels == IGNORE).all():
        raise DataError(
            f"{dataset.root}: no pixel of the split {split!r} is labelled, all are {IGNORE}: "
            "correct the masks"
        )


@contextmanager
def _own_random_numbers(device: torch.device) -> Iterator[None]:
    """Leave PyTorch's global random numbers, which dropout uses, to the caller as they were."""
    devices = [device.index] if device.type == "cuda" else []
    with torch.random.fork_rng(devices=devices):
        yield
