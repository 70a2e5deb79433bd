"""Images that judge a fine-tuning, apart from those that choose its epoch.

An epoch chosen on the images that then judge it looks better than it is. Fine-tuning chooses on
the split `val`; where that judges too, its first half chooses and its second half judges. Halves,
and not every other image, because neighbours are often frames of one scene.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from maskattn_edge.contract.errors import DataError
from maskattn_edge.preprocess import Resize
from maskattn_models.data import DataSet, GridStore, Sample
from maskattn_models.data.dataset import Prepared

CHOOSING = "val"
"""The split on which training, and fine-tuning, choose an epoch."""


def judging_samples(dataset: DataSet, split: str) -> Sequence[Sample]:
    """Those of `split` that do not choose an epoch of a fine-tuning.

    Raises:
        UsageError: there is no such split.
        DataError: it is too small to be halved.
    """
    samples = dataset.split(split)
    return samples[_half(dataset, samples) :] if split == CHOOSING else samples


def choosing_set(dataset: DataSet, split: str) -> DataSet:
    """`dataset` whose split `val` holds none of the samples that judge.

    Args:
        dataset: with the split `val`.
        split: that judges.

    Raises:
        UsageError, DataError: as `judging_samples`.
    """
    samples = dataset.split(CHOOSING)
    if split != CHOOSING:
        return dataset
    first = samples[: _half(dataset, samples)]
    return replace(
        dataset, splits={**dataset.splits, CHOOSING: first}, prepared=_without_choosing(dataset)
    )


def _half(dataset: DataSet, samples: Sequence[Sample]) -> int:
    if len(samples) < 2:
        raise DataError(
            f"{dataset.root}: the split {CHOOSING!r} has {len(samples)} image, too few for one "
            "half to choose an epoch and the other to judge it: judge on another with --split"
        )
    return len(samples) // 2


def _without_choosing(dataset: DataSet) -> Prepared | None:
    """Prepared arrays of the other splits: those of `val` are of all its samples."""
    prepared = dataset.prepared
    if prepared is None:
        return None

    def others(split: str, height: int, width: int, resize: Resize) -> GridStore | None:
        return None if split == CHOOSING else prepared(split, height, width, resize)

    return others
