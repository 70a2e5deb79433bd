"""Frames into the network's grid and labels back."""

import numpy as np
import pytest

from maskattn_edge.contract.errors import ContractError
from maskattn_edge.preprocess import PAD, fit, fit_labels, geometry, unfit_labels


def test_stretch_fills_the_input():
    image, place = fit(np.full((48, 96, 3), 7, np.uint8), height=16, width=16, resize="stretch")
    np.testing.assert_array_equal(image, 7)
    assert (place.top, place.left, place.height, place.width) == (0, 0, 16, 16)


def test_letterbox_keeps_the_aspect_and_centres():
    image, place = fit(np.zeros((48, 96, 3), np.uint8), height=16, width=16, resize="letterbox")
    assert (place.top, place.left, place.height, place.width) == (4, 0, 8, 16)
    np.testing.assert_array_equal(image[4:12], 0)
    np.testing.assert_array_equal(image[:4], PAD)
    np.testing.assert_array_equal(image[12:], PAD)


def test_shrinking_averages_by_area():
    image = np.zeros((4, 4, 3), np.uint8)
    image[::2] = 200
    small, _ = fit(image, height=2, width=2, resize="stretch")
    np.testing.assert_array_equal(small, 100)


def test_labels_take_the_largest_area():
    labels = np.array([[1, 1, 2, 3], [1, 2, 2, 2]], np.uint8)
    grid = fit_labels(labels, height=1, width=2, resize="stretch", outside=255)
    np.testing.assert_array_equal(grid, [[1, 2]])


def test_majority_equals_a_count_by_hand():
    labels = np.random.default_rng(0).integers(0, 5, (24, 36), np.uint8)
    grid = fit_labels(labels, height=4, width=6, resize="stretch", outside=255)
    for y in range(4):
        for x in range(6):
            counts = np.bincount(labels[6 * y : 6 * y + 6, 6 * x : 6 * x + 6].ravel())
            assert counts[grid[y, x]] == counts.max()


def test_bars_of_labels_are_ignored():
    grid = fit_labels(np.zeros((8, 16), np.uint8), height=8, width=8, resize="letterbox", outside=9)
    np.testing.assert_array_equal(np.unique(grid[:2]), 9)
    np.testing.assert_array_equal(np.unique(grid[2:6]), 0)


@pytest.mark.parametrize("resize", ["stretch", "letterbox"])
@pytest.mark.parametrize("size", [(48, 96), (96, 48), (100, 37), (5, 7), (1, 1)])
def test_labels_come_back_to_the_frame(resize, size):
    place = geometry(*size, height=16, width=16, resize=resize)
    labels = np.full((16, 16), 255, np.uint8)
    labels[place.top : place.top + place.height, place.left : place.left + place.width] = 3
    frame = unfit_labels(labels, place)
    assert frame.shape == size
    np.testing.assert_array_equal(frame, 3)


def test_wrong_arrays_are_named():
    with pytest.raises(ContractError, match=r"\(H, W, 3\) uint8, got shape \(4, 4\)"):
        fit(np.zeros((4, 4), np.uint8), height=2, width=2, resize="stretch")
    with pytest.raises(ContractError, match="'stretch' or 'letterbox', got 'crop'"):
        geometry(4, 4, height=2, width=2, resize="crop")
    with pytest.raises(ContractError, match="labels are"):
        fit_labels(np.zeros((4, 4), int), height=2, width=2, resize="stretch", outside=0)
