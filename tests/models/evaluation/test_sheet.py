from __future__ import annotations

import cv2
import numpy as np
import pytest

from maskattn_edge.contract.classes import ClassInfo
from maskattn_edge.contract.errors import ContractError, SinkError
from maskattn_models.evaluation import prediction_sheet, write_sheet
from maskattn_models.evaluation.pictures import colored_bgr

CLASSES = (ClassInfo("floor", (200, 0, 0)), ClassInfo("wall", (0, 0, 200)))


def test_sheet_shows_image_truth_and_prediction_side_by_side():
    image = np.full((30, 40, 3), (10, 20, 30), np.uint8)
    sheet = prediction_sheet(
        [image], [np.zeros((30, 40), np.uint8)], [np.ones((8, 8), np.uint8)], CLASSES
    )
    assert sheet.dtype == np.uint8
    assert sheet.shape[1] == 3 * 320 + 4 * 16
    middle = sheet[38 + 120]
    assert middle[16 + 160].tolist() == [30, 20, 10]
    assert middle[16 + 336 + 160].tolist() == [0, 0, 200]
    assert middle[16 + 672 + 160].tolist() == [200, 0, 0]


def test_samples_of_different_sizes_share_a_sheet():
    sizes = [(30, 40), (64, 16), (1, 1)]
    maps = [np.zeros(size, np.uint8) for size in sizes]
    images = [np.zeros((*size, 3), np.uint8) for size in sizes]
    assert prediction_sheet(images, maps, maps, CLASSES).shape[0] > 240 + 320 + 320


def test_ignored_pixels_are_hatched():
    colors = colored_bgr(np.array([[0] * 9 + [255] * 9] * 9, np.uint8), CLASSES)
    assert np.unique(colors[:, :9].reshape(-1, 3), axis=0).tolist() == [[0, 0, 200]]
    assert np.unique(colors[:, 9:].reshape(-1, 3), axis=0).tolist() == [[150] * 3, [225] * 3]


def test_legend_grows_with_the_classes():
    many = tuple(ClassInfo(f"a rather long name {n}", (n, n, n)) for n in range(60))
    image, few = np.zeros((4, 60, 3), np.uint8), np.zeros((4, 60), np.uint8)
    all_of_them = np.tile(np.arange(60, dtype=np.uint8), (4, 1))
    small = prediction_sheet([image], [few], [few], many)
    large = prediction_sheet([image], [all_of_them], [few], many)
    assert large.shape[0] - small.shape[0] >= 8 * 28


@pytest.mark.parametrize("count", [0, 2])
def test_numbers_must_agree(count):
    maps = [np.zeros((4, 4), np.uint8)] * count
    with pytest.raises(ContractError, match=rf"got {count}, {count} and 0"):
        prediction_sheet([np.zeros((4, 4, 3), np.uint8)] * count, maps, [], CLASSES)


def test_sheet_is_written_as_png(tmp_path):
    sheet = np.full((5, 6, 3), (1, 2, 3), np.uint8)
    write_sheet(tmp_path / "a.png", sheet)
    np.testing.assert_array_equal(cv2.imread(str(tmp_path / "a.png")), sheet)
    with pytest.raises(SinkError, match=r"b\.png: cannot write the pictures"):
        write_sheet(tmp_path / "a.png/b.png", sheet)
