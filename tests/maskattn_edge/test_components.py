"""Connected regions of thing classes are objects."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from maskattn_edge.components import component_segments
from maskattn_edge.contract.classes import ClassInfo
from maskattn_edge.contract.errors import ContractError

FLOOR, BOX, DOOR = 0, 1, 2
CLASSES = (
    ClassInfo("floor", (1, 1, 1)),
    ClassInfo("box", (2, 2, 2), thing=True),
    ClassInfo("door", (3, 3, 3), thing=True),
)


def test_regions_of_things_are_objects_and_stuff_is_one_segment():
    labels = np.array(
        [
            [1, 1, 0, 1],
            [0, 0, 0, 1],
            [2, 0, 1, 0],  # its box touches the upper one at a corner
        ],
        np.uint8,
    )
    found = component_segments(labels, CLASSES, min_area=1)
    assert found.map.tolist() == [[2, 2, 1, 3], [1, 1, 1, 3], [4, 1, 3, 1]]
    assert found.label.tolist() == [FLOOR, BOX, BOX, DOOR]
    np.testing.assert_allclose(found.score, [1, 2 / 12, 3 / 12, 1 / 12])


def test_small_segments_become_void():
    labels = np.array([[1, 1, 255, 1, 0, 2, 2]], np.uint8)
    found = component_segments(labels, CLASSES, min_area=2)
    assert found.map.tolist() == [[1, 1, 0, 0, 0, 2, 2]]
    assert found.label.tolist() == [BOX, DOOR]


def test_a_picture_of_nothing():
    found = component_segments(np.full((3, 3), 255, np.uint8), CLASSES)
    assert len(found) == 0
    assert (found.map == 0).all()


@pytest.mark.parametrize(
    ("labels", "options", "message"),
    [
        (np.zeros((2, 2), np.int64), {}, r"\(H, W\) uint8, got shape \(2, 2\) of int64"),
        (np.full((2, 2), 7, np.uint8), {}, "hold the value 7, the classes are 0 to 2"),
        (np.zeros((2, 2), np.uint8), {"min_area": 0}, "1 pixel or more, got 0"),
        (
            np.indices((600, 600)).prod(axis=0).astype(np.uint8) % 2,
            {"min_area": 1},
            "more than 65,535 regions: choose a larger",
        ),
    ],
)
def test_what_is_refused(labels, options, message):
    with pytest.raises(ContractError, match=message):
        component_segments(labels, CLASSES, **options)


@settings(max_examples=40, deadline=None, derandomize=True)
@given(st.integers(0, 2**32 - 1), st.integers(1, 12), st.integers(1, 12), st.integers(1, 4))
def test_regions_equal_a_flood_fill(seed, height, width, min_area):
    rng = np.random.default_rng(seed)
    labels = rng.choice(np.array([0, 1, 1, 2, 255], np.uint8), (height, width))
    found = component_segments(labels, CLASSES, min_area=min_area)
    expected = {
        (int(labels[place]), frozenset(region))
        for place, region in _flooded(labels)
        if len(region) >= min_area
    }
    numbers = range(1, len(found) + 1)
    regions = {
        (int(found.label[n - 1]), frozenset(map(tuple, np.argwhere(found.map == n).tolist())))
        for n in numbers
    }
    assert regions == expected
    assert len(regions) == len(found)


def _flooded(labels):
    """A place and the region around it, for each object and each stuff class."""
    left = {tuple(place) for place in np.argwhere(labels != 255).tolist()}
    while left:
        start = min(left)
        if labels[start] == FLOOR:
            region = {place for place in left if labels[place] == FLOOR}
        else:
            region, border = {start}, [start]
            while border:
                y, x = border.pop()
                around = {(y + dy, x + dx) for dy in (-1, 0, 1) for dx in (-1, 0, 1)}
                for near in (around & left) - region:
                    if labels[near] == labels[start]:
                        region.add(near)
                        border.append(near)
        left -= region
        yield start, region
