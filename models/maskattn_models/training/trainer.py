"""A training run, from a data set to a folder with checkpoints, curves and pictures.

`last.pt` holds all that is needed to go on, `best.pt` the averaged weights with the highest
validation mIoU. Both are written whole after each epoch, so that a run may be killed at any
moment.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch

from maskattn_models.backbone import pretrained_path
from maskattn_models.checkpoint import Checkpoint, load_checkpoint
from maskattn_models.data import DataSet, GridStore
from maskattn_models.network import NetworkConfig
from maskattn_models.training.batches import Batches, open_batches
from maskattn_models.training.curves import check_drawing
from maskattn_models.training.device import choose_device
from maskattn_models.training.distillation import Teacher, check_teacher
from maskattn_models.training.epoch import Epoch
from maskattn_models.training.interruption import Stop, never
from maskattn_models.training.loading import load_splits
from maskattn_models.training.loop import run_epochs
from maskattn_models.training.loss import sqrt_class_weights
from maskattn_models.training.observer import Observer
from maskattn_models.training.order import Order
from maskattn_models.training.performance import reset_peak_memory
from maskattn_models.training.preconditions import check_fits, check_same_data
from maskattn_models.training.ranks import Ranks
from maskattn_models.training.record import Record, describe_run
from maskattn_models.training.resume import check_same, former_run, restore
from maskattn_models.training.samples import take_samples
from maskattn_models.training.settings import TrainingSettings
from maskattn_models.training.state import RunState, new_state
from maskattn_models.training.step import TrainingStep


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
    check_fits(dataset, config, settings)
    former = ranks.by_first(lambda: former_run(out, resume=resume))
    pretrained = former is None and settings.pretrained and config.backbone is not None
    if pretrained:
        pretrained_path()  # says what is missing before the data are read
    if teacher is not None:
        check_teacher(teacher, dataset.classes, config, settings.resize)
    run = ranks.together(lambda: describe_run(dataset, config, settings))
    run["teacher"] = None if teacher is None else teacher.sha256
    check_same_data(run, ranks)
    if former is not None:
        check_same(former.training["run"], run)
    training, validation = ranks.together(
        lambda: load_splits(dataset, config, settings, observer, stop)
    )
    with own_random_numbers(device):
        reset_peak_memory(device)
        # Before the seed is set: building a network takes random numbers.
        guide = None if teacher is None else Teacher(teacher, device)
        state = new_state(config, settings, device, ranks, pretrained=pretrained)
        if former is not None:
            restore(state, former, out, settings, ranks)
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
        epoch, batches = epochs_of(state, training, config, settings, ranks, guide)
        if ranks.first:
            record.clean()
        if former is None:
            state.exchange_random(ranks)
            ranks.by_first(lambda: record.save_last(state))
        observer.started(
            epoch=state.epoch, epochs=settings.epochs, steps=epoch.steps, device=device.type
        )
        run_epochs(state, epoch, batches, record, validation, observer, stop, ranks)
    return ranks.by_first(lambda: load_checkpoint(record.best_path))


def epochs_of(
    state: RunState,
    training: GridStore,
    config: NetworkConfig,
    settings: TrainingSettings,
    ranks: Ranks,
    teacher: Teacher | None = None,
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


@contextmanager
def own_random_numbers(device: torch.device) -> Iterator[None]:
    """Leave PyTorch's global random numbers, which dropout uses, to the caller as they were."""
    devices = [device.index] if device.type == "cuda" else []
    with torch.random.fork_rng(devices=devices):
        yield
