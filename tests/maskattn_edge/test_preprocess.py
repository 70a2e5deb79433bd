"""Frames into the network's grid and labels back."""

import cv2
import numpy as np
import pytest

from maskattn_edge.area import shrink_by_area
from maskattn_edge.contract.errors import ContractError
from maskattn_edge.preprocess import PAD, fit, fit_labels, geometry, scale_image, unfit_labels


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


SIZES = [(480, 640), (45, 60), (48, 96), (15, 15), (7, 12), (9, 4), (48, 37), (720, 1280)]
GRIDS = [(128, 128), (4, 12), (12, 12), (5, 4), (4, 4)]
SHRINKING = [
    (size, grid) for size in SIZES for grid in GRIDS if size[0] > grid[0] and size[1] > grid[1]
]


@pytest.mark.parametrize(("size", "grid"), SHRINKING)
def test_shrinking_is_opencv_by_area_in_every_pixel(size, grid):
    for high in (2, 256):  # of 0 and 1 alone, many means lie close to a half
        image = np.random.default_rng(0).integers(0, high, (*size, 3)).astype(np.uint8)
        for part in (image, image[1:, 1:]):  # the second is not one piece of memory
            expected = cv2.resize(part, grid[::-1], interpolation=cv2.INTER_AREA)
            np.testing.assert_array_equal(scale_image(part, *grid), expected)


def test_which_sizes_shrink_by_matrix_products():
    def done(height, width, *grid, channels=3):
        image = np.zeros((height, width, channels), np.uint8)
        return shrink_by_area(image if channels > 1 else image[..., 0], *grid) is not None

    assert done(480, 640, 128, 128)
    assert not done(480, 640, 96, 128)  # whole numbers both ways
    assert not done(480, 600, 128, 128)  # 600 / 128 is no whole number
    assert not done(720, 1280, 128, 128)  # a mean can lie halfway
    assert not done(480, 640, 128, 128, channels=1)


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
