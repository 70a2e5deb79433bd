"""A part of the training images, with as many steps an epoch as the whole."""

from __future__ import annotations

import hashlib
import math
from dataclasses import replace

from maskattn_edge.contract.errors import UsageError
from maskattn_models.data import DataSet, Sample


def training_fraction(dataset: DataSet, fraction: float, *, seed: int) -> DataSet:
    """The data set with a share of its training images, repeated to the number of them all.

    Subsets are nested: with one seed, a larger share holds every image of a smaller one. They
    depend on the names of the files alone. Repeating them gives every share the same number of
    steps and the same schedule, so that scores tell of the data, not of shorter training.

    Args:
        dataset: with a split `train`; its other splits stay whole.
        fraction: above 0, up to 1; at least one image is taken.
        seed: another one draws other subsets.

    Raises:
        UsageError: the fraction is out of range, or there is no split `train`.
    """
    if not 0 < fraction <= 1:
        raise UsageError(f"a fraction of the images is above 0 and up to 1, got {fraction:g}")
    samples = dataset.split("train")
    if fraction == 1:
        return dataset
    chosen = drawn(dataset, seed)[: max(1, math.ceil(fraction * len(samples) - 1e-9))]
    repeated = chosen * math.ceil(len(samples) / len(chosen))
    return replace(dataset, splits={**dataset.splits, "train": repeated[: len(samples)]})


def drawn(dataset: DataSet, seed: int) -> tuple[Sample, ...]:
    """All training images in the order in which a seed draws them."""

    def lot(sample: Sample) -> bytes:
        name = sample.image.relative_to(dataset.root).as_posix()
        return hashlib.sha256(f"{seed} {name}".encode()).digest()

    return tuple(sorted(dataset.split("train"), key=lot))
