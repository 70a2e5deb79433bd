"""A training run, from a data set to a folder with checkpoints, curves and pictures.

`last.pt` holds all that is needed to go on, `best.pt` the averaged weights with the highest
validation mIoU. Both are written whole after each epoch, so that a run may be killed at any
moment.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from maskattn_edge.contract.classes import IGNORE
from maskattn_edge.contract.errors import CheckpointError, DataError, TrainingError, UsageError
from maskattn_edge.scores import iou_per_class, mean_iou, pixel_accuracy
from maskattn_models.backbone import pretrained_path
from maskattn_models.checkpoint import Checkpoint, load_checkpoint
from maskattn_models.data import DataSet, GridStore, decode_split
from maskattn_models.network import Deployed, NetworkConfig
from maskattn_models.training.batches import Batches
from maskattn_models.training.curves import check_drawing
from maskattn_models.training.device import choose_device
from maskattn_models.training.distillation import Teacher, check_teacher
from maskattn_models.training.epoch import Epoch
from maskattn_models.training.history import EpochRow, to_rows
from maskattn_models.training.interruption import TrainingInterrupted
from maskattn_models.training.observer import Observer
from maskattn_models.training.record import Record, describe_run
from maskattn_models.training.resume import check_same
from maskattn_models.training.samples import take_samples
from maskattn_models.training.settings import TrainingSettings
from maskattn_models.training.state import RunState, new_state
from maskattn_models.training.validation import validate

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
        resume: go on from `out`/last.pt.
        observer: told how the run goes.
        stop: asked after each step; if true the run ends with `TrainingInterrupted`.

    Returns:
        The best checkpoint, as read from `best.pt`.

    Raises:
        UsageError: `out` holds a run and `resume` is false; there is none to resume, or it had
            other data or settings; a split is missing; CUDA is asked for and not there; the
            teacher has other classes or another input.
        MissingDependencyError: the backbone's pretrained weights are not installed.
        DataError: the data cannot be read, does not fit in memory, or has no labels.
        TrainingError: the loss or the weights are no longer finite.
        TrainingInterrupted: `stop` returned true.
        CheckpointError: a checkpoint cannot be written or read.
    """
    observer = observer or Observer()
    check_drawing()
    device = choose_device(settings.device)
    _check_classes(dataset, config)
    former = _former(out, resume)
    pretrained = former is None and settings.pretrained and config.backbone is not None
    if pretrained:
        pretrained_path()  # says what is missing before the data are read
    if teacher is not None:
        check_teacher(teacher, dataset.classes, config, settings.resize)
    run = describe_run(dataset, config, settings)
    run["teacher"] = None if teacher is None else teacher.sha256
    if former is not None:
        check_same(former.training["run"], run)
    training, validation = _load(dataset, config, settings, observer, stop)
    with _own_random_numbers(device):
        # Before the seed is set: building a network takes random numbers.
        guide = None if teacher is None else Teacher(teacher, device)
        state = new_state(config, settings, device, pretrained=pretrained)
        if former is not None:
            _restore(state, former, out)
        record = Record(
            out=out,
            dataset=dataset,
            config=config,
            settings=settings,
            run=run,
            validation=validation,
            samples=take_samples(dataset, validation, settings.resize)
            if settings.samples
            else None,
        )
        epoch = Epoch(
            state,
            Batches(training, settings.batch, device),
            config,
            settings,
            guide,
        )
        if settings.class_weights == "sqrt":
            epoch.weigh(training.labels)
        if former is None:
            record.save_last(state)
        observer.started(
            epoch=state.epoch,
            epochs=settings.epochs,
            steps=epoch.batches.steps,
            device=str(device),
        )
        _run(state, epoch, record, validation, observer, stop)
    return load_checkpoint(record.best_path)


def _run(
    state: RunState,
    epoch: Epoch,
    record: Record,
    validation: GridStore,
    observer: Observer,
    stop: Stop,
) -> None:
    settings = record.settings
    deployed = Deployed(state.average.network).to(state.device)
    try:
        while state.epoch < settings.epochs and not _patience_is_over(state, settings):
            start = time.perf_counter()
            done = epoch.run(observer, stop)
            confusion = validate(
                deployed, validation, classes=record.config.classes, device=state.device
            )
            state.epoch += 1
            row = EpochRow(
                epoch=state.epoch,
                loss=done.loss,
                val_miou=mean_iou(confusion),
                val_pixel_accuracy=pixel_accuracy(confusion),
                lr=done.lr,
                seconds=time.perf_counter() - start,
                images_per_second=done.images_per_second,
            )
            best = _note(state, row)
            record.save(state, iou_per_class(confusion) if best else None)
            observer.validated(row, best=best)
    except TrainingInterrupted as error:
        record.draw(state)
        raise TrainingInterrupted(f"{error}; {_summary(state)}; go on with --resume") from error
    except TrainingError as error:
        raise TrainingError(f"{error}; {_summary(state)}") from error
    record.draw(state)


def _note(state: RunState, row: EpochRow) -> bool:
    """Add an epoch to the history; whether it is the best so far."""
    state.history.append(row)
    best = row.val_miou > state.best_miou
    if best:
        state.best_epoch, state.best_miou = row.epoch, row.val_miou
    return best


def _patience_is_over(state: RunState, settings: TrainingSettings) -> bool:
    return settings.patience is not None and state.epoch - state.best_epoch >= settings.patience


def _summary(state: RunState) -> str:
    if not state.best_epoch:
        return "no epoch was finished"
    return (
        f"saved up to epoch {state.epoch}, the best is epoch {state.best_epoch} "
        f"with validation mIoU {100 * state.best_miou:.1f} %"
    )


def _check_classes(dataset: DataSet, config: NetworkConfig) -> None:
    if config.classes != len(dataset.classes):
        raise UsageError(
            f"the network has {config.classes} classes, {dataset.name} has {len(dataset.classes)}"
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


def _restore(state: RunState, former: Checkpoint, out: Path) -> None:
    assert former.resume is not None  # checked when it was read
    try:
        state.restore(former.resume, former.weights)
        state.history = to_rows(former.history)
    except (KeyError, RuntimeError, TypeError, ValueError, AttributeError) as error:
        raise CheckpointError(
            f"{out / 'last.pt'}: its state of the run is damaged: start anew in another --out"
        ) from error
    best = out / "best.pt"
    if state.best_epoch and not best.exists():
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
    devices = [torch.cuda.current_device()] if device.type == "cuda" else []
    with torch.random.fork_rng(devices=devices):
        yield
