"""Instance numbers of each pixel: what training needs to know of segments."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from maskattn_edge.segments import Segments
from maskattn_models.data import SegmentStore

MOST = 255
"""Objects of an image that are told apart; smaller ones beyond are left out of the targets."""


def instance_maps(segments: SegmentStore, things: Sequence[int]) -> NDArray[np.uint8]:
    """Instances of N pictures, (N, h, w) uint8: 0 = none, else the number of an object.

    Crowds and stuff are no objects.
    """
    maps = np.empty(segments.maps.shape, np.uint8)
    for index in range(len(maps)):
        maps[index] = instance_map(segments[index], things)
    return maps


def instance_map(segments: Segments, things: Sequence[int]) -> NDArray[np.uint8]:
    """Instances of one picture, (h, w) uint8; numbers follow the order of the segments."""
    areas = segments.areas()
    objects = np.isin(segments.label, np.array(things)) & ~segments.crowd & (areas > 0)
    largest = np.argsort(-np.where(objects, areas, 0), kind="stable")[:MOST]
    chosen = np.sort(largest[objects[largest]])
    table = np.zeros(len(segments) + 1, np.uint8)
    table[chosen + 1] = np.arange(1, len(chosen) + 1)
    return table[segments.map]
