"""How objects of one class touch each other: what a composed set takes over from its photographs.

All is measured on the 128x128 grid that a composed object has to be seen on: on the photograph
itself, outlines drawn by hand leave gaps of a pixel or two between objects that touch.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from maskattn_edge.segment_grid import fit_segments
from maskattn_edge.segments import Segments

GRID = 128

MIN_CELLS = 24
"""Cells of the grid that an object has at least; a smaller one counts for nothing here."""

ClusterSizes = dict[str, dict[int, int]]
"""By class: how many clusters there are of 1, 2, ... objects."""

_NEIGHBOURS = ((0, 1), (1, -1), (1, 0), (1, 1))  # the other four are these, seen from there


def clusters_of(segments: Segments, kind: NDArray[np.int64]) -> list[list[int]]:
    """The objects of a picture, together where they touch others of their kind.

    Args:
        segments: of a picture of any size; crowds are left out.
        kind: (S,) what each segment is, below 0 where it is no object that counts.

    Returns:
        Numbers of segments, one list a cluster; an object that touches no other is one of its own.
    """
    grid = fit_segments(segments, height=GRID, width=GRID, resize="stretch")
    counts = (grid.areas() >= MIN_CELLS) & (kind >= 0) & ~segments.crowd
    cluster = {int(row) + 1: int(row) + 1 for row in np.flatnonzero(counts)}
    for one, other in touching_pairs(grid.map):
        if one in cluster and other in cluster and kind[one - 1] == kind[other - 1]:
            old, new = cluster[other], cluster[one]
            cluster = {number: new if at == old else at for number, at in cluster.items()}
    members: dict[int, list[int]] = {}
    for number, at in cluster.items():
        members.setdefault(at, []).append(number)
    return list(members.values())


def touching_pairs(numbers: NDArray[np.uint16]) -> list[tuple[int, int]]:
    """Pairs of segments with cells that share a side or a corner, the smaller number first.

    >>> touching_pairs(np.array([[1, 0, 3], [0, 2, 3]], np.uint16))
    [(1, 2), (2, 3)]
    """
    rows, columns = numbers.shape
    pairs: set[tuple[int, int]] = set()
    for down, right in _NEIGHBOURS:
        one = numbers[: rows - down, max(0, -right) : columns - max(0, right)]
        other = numbers[down:, max(0, right) : columns + min(0, right)]
        met = (one != other) & (one > 0) & (other > 0)
        found = np.unique(np.sort(np.stack([one[met], other[met]], 1), axis=1), axis=0)
        pairs |= {(int(first), int(second)) for first, second in found}
    return sorted(pairs)


def joined_sizes(parts: Iterable[ClusterSizes]) -> ClusterSizes:
    """The sizes of several splits together, classes and sizes in order."""
    total: dict[str, Counter[int]] = {}
    for part in parts:
        for name, sizes in part.items():
            total.setdefault(name, Counter()).update(sizes)
    return {name: dict(sorted(total[name].items())) for name in sorted(total)}


def touching_share(sizes: dict[int, int]) -> float:
    """Share of the objects that touch another one; NaN where there is none.

    >>> touching_share({1: 3, 3: 1})
    0.5
    """
    objects = sum(size * count for size, count in sizes.items())
    return 1 - sizes.get(1, 0) / objects if objects else float("nan")


def shown_sizes(sizes: dict[int, int], most: int) -> list[int]:
    """Each cluster's size, in order; one of more than `most` objects is seen in several parts.

    >>> shown_sizes({1: 2, 11: 1}, most=8)
    [1, 1, 8, 3]
    """
    parts = {size: [most] * (size // most) + [size % most] * (size % most > 0) for size in sizes}
    return [part for size in sorted(sizes) for _ in range(sizes[size]) for part in parts[size]]
