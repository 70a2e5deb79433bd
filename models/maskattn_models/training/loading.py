"""The splits of a run, read into memory."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from maskattn_edge.contract.classes import IGNORE
from maskattn_edge.contract.errors import DataError
from maskattn_models.data import DataSet, GridStore, decode_split
from maskattn_models.network import NetworkConfig
from maskattn_models.training.interruption import Stop, TrainingInterrupted
from maskattn_models.training.observer import Observer
from maskattn_models.training.settings import TrainingSettings


def load_splits(
    dataset: DataSet,
    config: NetworkConfig,
    settings: TrainingSettings,
    observer: Observer,
    stop: Stop,
) -> tuple[GridStore, GridStore]:
    """The training split at the working size, the validation split at the network's.

    Raises:
        UsageError: a split is missing.
        DataError: a file cannot be read, the data do not fit in memory, or have no labels.
        TrainingInterrupted: `stop` returned true.
    """
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
