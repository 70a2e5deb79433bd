"""Some of many, spread evenly."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

from maskattn_edge.contract.errors import UsageError

Item = TypeVar("Item")


def spread(items: Sequence[Item], most: int) -> list[Item]:
    """At most `most` items, evenly spread, because neighbours are often frames of one scene.

    Raises:
        UsageError: `most` is below 1.

    >>> spread(range(10), 4)
    [0, 2, 5, 7]
    """
    if most < 1:
        raise UsageError(f"the number of images must be 1 or more, got {most}")
    taken = min(len(items), most)
    return [items[index * len(items) // taken] for index in range(taken)]
