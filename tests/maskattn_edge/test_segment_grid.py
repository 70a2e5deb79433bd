"""Segments are brought to the grid by area, exactly, and back by nearest neighbour."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from maskattn_edge import segment_grid
from maskattn_edge.contract.classes import IGNORE
from maskattn_edge.preprocess import fit_labels, geometry, nearest
from maskattn_edge.segment_grid import fit_segments, unfit_segments
from maskattn_edge.segments import Segments


def segments(numbers, count):
    return Segments(
        map=np.asarray(numbers, np.uint16),
        label=(np.arange(count) % 200).astype(np.uint8),
        score=np.linspace(0, 1, count, dtype=np.float32),
    )


def slow(segment_map, count, height, width):
    """Areas as fractions, cell by cell."""
    high, wide = segment_map.shape
    grid = np.zeros((height, width), np.uint16)
    for y, x in np.ndindex(height, width):
        areas = dict.fromkeys([*range(1, count + 1), 0], Fraction(0))
        for (row, column), number in np.ndenumerate(segment_map):
            tall = _shared(Fraction(y * high, height), Fraction((y + 1) * high, height), row)
            broad = _shared(Fraction(x * wide, width), Fraction((x + 1) * wide, width), column)
            areas[int(number)] += tall * broad
        grid[y, x] = max(areas, key=areas.get)  # the first of equal areas
    return grid


def _shared(low, high, pixel):
    return max(Fraction(0), min(high, pixel + 1) - max(low, pixel))


@settings(max_examples=25, deadline=None, derandomize=True)
@given(
    st.integers(1, 11), st.integers(1, 11), st.integers(1, 5), st.integers(1, 5), st.integers(0, 99)
)
def test_areas_equal_fractions(high, wide, height, width, seed):
    height, width = min(height, high), min(width, wide)
    numbers = np.random.default_rng(seed).integers(0, 4, (high, wide))
    got = fit_segments(segments(numbers, 3), height=height, width=width, resize="stretch")
    np.testing.assert_array_equal(got.map, slow(numbers, 3, height, width))


def test_strips_change_nothing(rng, monkeypatch):
    whole = segments(rng.integers(0, 40, (37, 51)), 39)
    expected = fit_segments(whole, height=8, width=16, resize="stretch")
    monkeypatch.setattr(segment_grid, "_TABLE", 16 * 40 * 3)
    got = fit_segments(whole, height=8, width=16, resize="stretch")
    np.testing.assert_array_equal(got.map, expected.map)
    np.testing.assert_array_equal(got.score, whole.score)


@pytest.fixture
def rng():
    return np.random.default_rng(0)


@pytest.mark.parametrize("shape", [(60, 100), (100, 60), (8, 200), (7, 3)])
@pytest.mark.parametrize("resize", ["stretch", "letterbox"])
def test_one_segment_for_each_class_gives_the_labels(rng, shape, resize):
    coarse = rng.integers(0, 3, (-(-shape[0] // 7), -(-shape[1] // 7)))
    labels = np.kron(coarse, np.ones((7, 7), int))[: shape[0], : shape[1]].astype(np.uint8)
    size = {"height": 16, "width": 16, "resize": resize}
    got = fit_segments(segments(labels + 1, 3), **size)
    expected = fit_labels(labels, **size, outside=IGNORE)
    same = got.labels() == expected
    assert same.mean() > 0.98  # cells of equal areas may differ: fit_labels adds up in float32


def test_back_to_the_frame(rng):
    grid = segments(rng.integers(0, 301, (16, 16)), 300)
    place = geometry(50, 100, height=16, width=16, resize="letterbox")
    back = unfit_segments(grid, place)
    np.testing.assert_array_equal(back.map, nearest(grid.map[4:12], 50, 100))
    assert back.map.shape == (50, 100)
    assert back.map.max() > 255  # more segments than uint8 holds
