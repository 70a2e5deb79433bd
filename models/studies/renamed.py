"""A data set seen with the classes of another: photographs as the set that was composed of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from maskattn_edge.contract.classes import IGNORE, ClassInfo
from maskattn_edge.segments import VOID, Segments
from maskattn_models.data import DataSet, Sample
from maskattn_models.data.composed import group_of
from maskattn_models.data.dataset import Truth, label_table
from maskattn_models.data.pictures import truth_of


@dataclass(frozen=True, kw_only=True, eq=False)
class RenamedTruth:
    """Truth of which each class becomes another one, or void: (256,) uint8, 255 = void."""

    truth: Truth
    table: NDArray[np.uint8]

    def labels(self, sample: Sample) -> NDArray[np.uint8]:
        """As `Truth.labels`."""
        return self.table[self.truth.labels(sample)]

    def segments(self, sample: Sample) -> Segments:
        """As `Truth.segments`, without those that become void."""
        known = self.truth.segments(sample)
        label = self.table[known.label]
        kept = label != IGNORE
        number = np.concatenate([[VOID], np.where(kept, np.cumsum(kept), VOID)]).astype(np.uint16)
        return Segments(map=number[known.map], label=label[kept], crowd=known.crowd[kept])


def renamed(dataset: DataSet, classes: Sequence[ClassInfo]) -> DataSet:
    """The same pictures with the given classes.

    A class keeps its name, or takes that of COCO's super-category, where the classes have it as
    what it is, thing or stuff; others become void.
    """
    index = {(info.name, info.thing): label for label, info in enumerate(classes)}
    table = np.full(256, IGNORE, np.uint8)
    for label, info in enumerate(dataset.classes):
        own = index.get((info.name, info.thing), IGNORE)
        table[label] = index.get((group_of(info.name), info.thing), own)
    return replace(
        dataset,
        classes=tuple(classes),
        label_table=label_table(len(classes)),
        truth=RenamedTruth(truth=truth_of(dataset), table=table),
        official={},
        prepared=None,
    )
