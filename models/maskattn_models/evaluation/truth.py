"""What a split offers as truth: labels, segments, official annotations and their numbering."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from maskattn_edge.contract.spec import TASKS, Task
from maskattn_edge.scores import ObjectMask
from maskattn_edge.segments import Segments
from maskattn_models.data import DataSet, Sample, load_sample
from maskattn_models.evaluation.instance_masks import instances_file, joined_segments


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
    image_ids: dict[Sample, int | str] | None = None


def open_truth(dataset: DataSet, split: str) -> TruthSource:
    """The truth of a split.

    Raises:
        UsageError: the data set has no such split.
    """
    with_objects = all(instances_file(sample, dataset) for sample in dataset.split(split))

    def load(sample: Sample) -> SampleTruth:
        image, labels = load_sample(sample, dataset)
        path = instances_file(sample, dataset)
        segments = None if path is None else joined_segments(labels, path, dataset.classes)
        return SampleTruth(image=image, labels=labels, segments=segments)

    return TruthSource(tasks=frozenset(TASKS if with_objects else ("semantic",)), load=load)
