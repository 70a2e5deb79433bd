"""A split on a grid: arrays that training and validation take their pictures from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from maskattn_edge.contract.errors import ContractError
from maskattn_edge.segments import Segments


@dataclass(frozen=True, kw_only=True, eq=False)
class SegmentStore:
    """The segments of N pictures.

    Args:
        maps: (N, h, w) uint16, 0 = void, else the number of a segment of that picture, from 1.
        offsets: (N + 1,) int64; rows `offsets[i]` to `offsets[i + 1]` of the tables are picture i.
        label: (T,) uint8, class of each segment.
        crowd: (T,) bool, whether it is a crowd.

    Raises:
        ContractError: an array has another shape or dtype.
    """

    maps: NDArray[np.uint16]
    offsets: NDArray[np.int64]
    label: NDArray[np.uint8]
    crowd: NDArray[np.bool_]

    def __post_init__(self) -> None:
        kinds = (self.maps, np.uint16), (self.offsets, np.int64), (self.label, np.uint8)
        for array, dtype in (*kinds, (self.crowd, np.bool_)):
            if array.dtype != dtype:
                raise ContractError(f"segments need {np.dtype(dtype)}, got {array.dtype}")
        if self.maps.ndim != 3 or self.offsets.shape != (len(self.maps) + 1,):
            raise ContractError(
                f"segment maps are (N, h, w) with N + 1 offsets, got {self.maps.shape} and "
                f"{self.offsets.shape}"
            )
        if not len(self.label) == len(self.crowd) == self.offsets[-1]:
            raise ContractError(
                f"segment tables have {len(self.label)} classes and {len(self.crowd)} crowds, the "
                f"offsets end at {self.offsets[-1]}"
            )

    def __getitem__(self, index: int) -> Segments:
        """The segments of one picture; small ones may have vanished from the map."""
        rows = slice(int(self.offsets[index]), int(self.offsets[index + 1]))
        return Segments(map=self.maps[index], label=self.label[rows], crowd=self.crowd[rows])

    def part(self, which: slice) -> SegmentStore:
        """The segments of some of the pictures."""
        return join_segments([self[index] for index in range(len(self.maps))[which]])


@dataclass(frozen=True, kw_only=True, eq=False)
class GridStore:
    """Images (N, h, w, 3) uint8 RGB and labels (N, h, w) uint8, 255 = ignored, of a split.

    The arrays may be mapped from disk. `segments` are there where they were asked for.

    Raises:
        ContractError: an array has another dtype, or their shapes do not fit.
    """

    images: NDArray[np.uint8]
    labels: NDArray[np.uint8]
    segments: SegmentStore | None = None

    def __post_init__(self) -> None:
        if self.images.dtype != np.uint8 or self.labels.dtype != np.uint8:
            raise ContractError(
                f"images and labels are uint8, got {self.images.dtype} and {self.labels.dtype}"
            )
        if self.images.ndim != 4 or self.images.shape != (*self.labels.shape, 3):
            raise ContractError(
                f"images are (N, h, w, 3) with labels (N, h, w), got {self.images.shape} and "
                f"{self.labels.shape}"
            )
        if self.segments is not None and self.segments.maps.shape != self.labels.shape:
            raise ContractError(
                f"segment maps are of the labels' shape {self.labels.shape}, got "
                f"{self.segments.maps.shape}"
            )

    def __len__(self) -> int:
        return len(self.images)


def join_segments(found: Sequence[Segments]) -> SegmentStore:
    """The segments of one picture or more, of one size, in one store."""
    return SegmentStore(
        maps=np.stack([parts.map for parts in found]),
        offsets=np.cumsum([0, *(len(parts) for parts in found)], dtype=np.int64),
        label=np.concatenate([parts.label for parts in found]),
        crowd=np.concatenate([parts.crowd for parts in found]),
    )
