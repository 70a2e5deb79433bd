"""Which objects touch others of their kind, on the coarse grid."""

import numpy as np
import pytest

from maskattn_edge.segments import Segments
from maskattn_models.data.composed.touching import (
    MIN_CELLS,
    clusters_of,
    joined_sizes,
    shown_sizes,
    touching_pairs,
    touching_share,
)


def squares(*corners: tuple[int, int], side: int = 20) -> np.ndarray:
    """Squares with their upper left corners there, numbered from 1, on a picture of 256x256."""
    numbers = np.zeros((256, 256), np.uint16)
    for number, (top, left) in enumerate(corners, start=1):
        numbers[top : top + side, left : left + side] = number
    return numbers


def clusters(numbers: np.ndarray, kinds: list[int], crowd: list[bool] | None = None) -> list:
    segments = Segments(
        map=numbers,
        label=np.zeros(len(kinds), np.uint8),
        crowd=np.array(crowd or [False] * len(kinds), bool),
    )
    return sorted(clusters_of(segments, np.array(kinds, np.int64)))


def test_those_that_touch_are_together_and_chains_are_one():
    numbers = squares((20, 20), (20, 40), (40, 60), (150, 150))
    assert clusters(numbers, [0, 0, 0, 0]) == [[1, 2, 3], [4]]


def test_only_objects_of_one_kind_are_together():
    numbers = squares((20, 20), (20, 40), (20, 60))
    assert clusters(numbers, [0, 1, 0]) == [[1], [2], [3]]
    assert clusters(numbers, [0, -1, 0]) == [[1], [3]]  # what is no object joins nothing
    assert clusters(numbers, [0, 0, 0], [False, True, False]) == [[1], [3]]


def test_a_gap_below_a_cell_is_closed_and_a_wide_one_is_not():
    assert clusters(squares((20, 20), (20, 41)), [0, 0]) == [[1, 2]]
    assert clusters(squares((20, 20), (20, 46)), [0, 0]) == [[1], [2]]


def test_small_objects_count_for_nothing():
    least = int(np.ceil(np.sqrt(MIN_CELLS)))  # cells of two pixels a side
    assert clusters(squares((20, 20), side=2 * least), [0]) == [[1]]
    assert clusters(squares((20, 20), side=2 * least - 2), [0]) == []
    assert clusters(np.zeros((256, 256), np.uint16), []) == []


@pytest.mark.parametrize("seed", range(3))
def test_pairs_are_those_of_neighbouring_cells(seed):
    numbers = np.random.default_rng(seed).integers(0, 4, (5, 7)).astype(np.uint16)
    expected = set()
    for (row, column), one in np.ndenumerate(numbers):
        near = numbers[max(0, row - 1) : row + 2, max(0, column - 1) : column + 2].ravel()
        expected |= {tuple(sorted((int(one), int(other)))) for other in near if 0 < other != one}
    assert touching_pairs(numbers) == sorted(pair for pair in expected if pair[0])


def test_sizes_add_up_and_large_ones_are_seen_in_parts():
    total = joined_sizes([{"b": {2: 1, 1: 4}}, {"a": {1: 1}, "b": {2: 2}}])
    assert total == {"a": {1: 1}, "b": {1: 4, 2: 3}}
    assert list(total) == ["a", "b"]
    assert touching_share(total["b"]) == pytest.approx(0.6)
    assert np.isnan(touching_share({}))
    assert shown_sizes({17: 1, 1: 1, 8: 2}, most=8) == [1, 8, 8, 8, 8, 1]
