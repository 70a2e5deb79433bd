"""What a split offers as truth: labels, segments, official annotations and their numbering."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache

import numpy as np
from numpy.typing import NDArray

from maskattn_edge.contract.spec import Task
from maskattn_edge.scores import ObjectMask
from maskattn_edge.segments import Segments
from maskattn_models.data import DataSet, OfficialTruth, Sample, load_sample
from maskattn_models.data.dataset import SEMANTIC
from maskattn_models.data.pictures import truth_of
from maskattn_models.evaluation.official import official_objects


@dataclass(frozen=True, kw_only=True, eq=False)
class SampleTruth:
    """Truth of one sample, at the image's own size.

    Args:
        image: (H, W, 3) uint8 RGB.
        labels: (H, W) uint8 class of each pixel, 255 = ignored.
        segments: crowds included; None where truth is labels only.
    """

    image: NDArray[np.uint8]
    labels: NDArray[np.uint8]
    segments: Segments | None = None


@dataclass(frozen=True, kw_only=True, eq=False)
class TruthSource:
    """Where the truth of a split comes from.

    Args:
        tasks: what it is enough for.
        load: reads a sample.
        objects: official masks of a sample, which may overlap as `Segments` cannot; None where
            segments hold all that there is.
        category_ids: official number of each class, (K,); None where the data set names none.
        image_ids: official number or name of each sample that has one.
    """

    tasks: frozenset[Task]
    load: Callable[[Sample], SampleTruth]
    objects: Callable[[Sample], tuple[ObjectMask, ...]] | None = None
    category_ids: tuple[int, ...] | None = None
    image_ids: Mapping[Sample, int | str] = field(default_factory=dict)


def open_truth(dataset: DataSet, split: str) -> TruthSource:
    """The truth of a split, with the numbering of its official files where there are any.

    Raises:
        UsageError: the data set has no such split.
    """
    samples = dataset.split(split)
    instances = dataset.official_truth(split, "instances")
    official = dataset.official_truth(split, "panoptic") or instances
    ids = {} if official is None else dict(zip(samples, official.image_ids, strict=True))
    return TruthSource(
        tasks=dataset.tasks,
        load=lambda sample: _load(sample, dataset),
        objects=None if instances is None else _official(instances, samples),
        category_ids=None if official is None else official.category_ids,
        image_ids=ids,
    )


def _load(sample: Sample, dataset: DataSet) -> SampleTruth:
    image, labels = load_sample(sample, dataset)
    segments = None
    if dataset.tasks != SEMANTIC:
        segments = truth_of(dataset).segments(sample)
    return SampleTruth(image=image, labels=labels, segments=segments)


def _official(
    truth: OfficialTruth, samples: Sequence[Sample]
) -> Callable[[Sample], tuple[ObjectMask, ...]]:
    """The masks of a sample, from a file that is read when the first is asked for."""
    ids = dict(zip(samples, truth.image_ids, strict=True))
    read = cache(lambda: official_objects(truth.annotations, truth.category_ids))
    return lambda sample: read()[ids[sample]]
