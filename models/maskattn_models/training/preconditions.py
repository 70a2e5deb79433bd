"""What must hold before a run reads its data."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from maskattn_edge.contract.classes import things_of
from maskattn_edge.contract.errors import DataError, UsageError
from maskattn_models.data import DataSet
from maskattn_models.network import NetworkConfig
from maskattn_models.training.contrastive import check_contrastive
from maskattn_models.training.key_target import check_masked
from maskattn_models.training.ranks import Ranks
from maskattn_models.training.settings import TrainingSettings


def check_fits(dataset: DataSet, config: NetworkConfig, settings: TrainingSettings) -> None:
    """See that data, network and settings are about the same task.

    Raises:
        UsageError: the network is for other classes or things, or lacks what a loss is about.
        DataError: the data do not tell what the task asks for.
    """
    _check_classes(dataset, config)
    check_masked(config, settings.mask_share)
    check_contrastive(config, settings.contrastive_weight)


def check_same_data(run: Mapping[str, Any], ranks: Ranks) -> None:
    """Refuse hosts whose copies of the data differ, all of them with the same message.

    Raises:
        DataError: they differ.
    """
    names = ("training_data", "validation_data")
    found = ranks.gather([run[name] for name in names])
    if any(hashes != found[0] for hashes in found):
        other = next(rank for rank, hashes in enumerate(found) if hashes != found[0])
        raise DataError(
            f"process {other} reads other data than process 0: copy the same data set to all hosts"
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
