"""Mask AP on pictures small enough to rank by hand, and objects as COCO writes them."""

from __future__ import annotations

import numpy as np
import pytest

from maskattn_edge.contract.errors import ContractError, MissingDependencyError
from maskattn_edge.scores import (
    ObjectMask,
    PictureObjects,
    annotated_object,
    average_precision,
    mean_precision,
    object_masks,
)
from maskattn_edge.segments import Segments

THINGS = np.array([True, True, False])


def segments(shape, *boxes, crowd=None):
    """Rectangles (label, score, top, left, bottom, right), later ones over earlier ones."""
    grid = np.zeros(shape, np.uint16)
    for number, (_, _, top, left, bottom, right) in enumerate(boxes, start=1):
        grid[top:bottom, left:right] = number
    return Segments(
        map=grid,
        label=np.array([box[0] for box in boxes], np.uint8),
        score=np.array([box[1] for box in boxes], np.float32),
        crowd=np.array(crowd or [False] * len(boxes), bool),
    )


def picture(truth, found):
    height, width = truth.map.shape
    return PictureObjects(
        height=height,
        width=width,
        truth=object_masks(truth, THINGS),
        found=object_masks(found, THINGS),
    )


def test_a_found_object_above_half_of_the_thresholds():
    truth = segments((200, 200), (0, 1, 0, 0, 100, 100))
    found = segments((200, 200), (0, 0.7, 0, 0, 100, 77))  # IoU 0.77: six thresholds of ten
    precision = average_precision((picture(truth, found),), classes=3)
    np.testing.assert_allclose(precision.ap, [0.6, np.nan, np.nan])
    np.testing.assert_allclose(precision.ap50, [1, np.nan, np.nan])
    np.testing.assert_allclose(precision.ap75, [1, np.nan, np.nan])
    np.testing.assert_allclose(precision.ap_large, [0.6, np.nan, np.nan])
    assert np.isnan(precision.ap_small).all()
    assert np.isnan(precision.ap_medium).all()
    assert mean_precision(precision)[:3] == pytest.approx((0.6, 1, 1))


def test_ranks_go_through_all_pictures():
    right = segments((20, 20), (1, 0.5, 0, 0, 10, 10))
    wrong = segments((20, 20), (1, 0.9, 10, 10, 20, 20))
    empty = segments((20, 20))
    pictures = (picture(right, right), picture(empty, wrong))
    # The surest answer is wrong, so precision is one half at each recall.
    np.testing.assert_allclose(average_precision(pictures, classes=3).ap[1], 0.5)
    np.testing.assert_allclose(average_precision(pictures, classes=3).ap_small[1], 0.5)


def test_stuff_is_no_object_and_crowds_excuse():
    truth = segments((20, 20), (0, 1, 0, 0, 10, 20), (1, 1, 10, 0, 20, 20), crowd=[True, False])
    found = segments((20, 20), (0, 0.9, 0, 0, 5, 5), (2, 1, 5, 5, 9, 9), (1, 0.2, 10, 0, 20, 20))
    assert [item.label for item in picture(truth, found).found] == [0, 1]
    np.testing.assert_allclose(
        average_precision((picture(truth, found),), classes=3).ap, [np.nan, 1, np.nan]
    )


@pytest.mark.parametrize("found", [(), ((2, 1, 0, 0, 20, 20),)])
def test_nothing_found(found):
    truth = segments((20, 20), (0, 1, 0, 0, 10, 10))
    precision = average_precision((picture(truth, segments((20, 20), *found)),), classes=3)
    assert precision.ap[0] == 0


def test_no_picture_at_all():
    assert np.isnan(mean_precision(average_precision((), classes=3))).all()


def test_run_lengths_are_those_of_the_coco_api():
    found = object_masks(segments((4, 6), (1, 0.25, 1, 2, 3, 5)), THINGS)
    assert found == (ObjectMask(label=1, counts=b"9220003", area=6.0, score=0.25),)


@pytest.mark.parametrize(
    "segmentation",
    [
        [[2, 1, 5, 1, 5, 3, 2, 3]],
        [[2, 1, 5, 1, 5, 2, 2, 2], [2, 2, 5, 2, 5, 3, 2, 3]],
        {"size": [4, 6], "counts": [9, 2, 2, 2, 2, 2, 5]},
        {"size": [4, 6], "counts": "9220003"},
        {"size": [4, 6], "counts": b"9220003"},
    ],
)
def test_annotations_in_each_of_their_forms(segmentation):
    got = annotated_object(segmentation, label=1, height=4, width=6)
    assert got == ObjectMask(label=1, counts=b"9220003", area=6.0)
    stated = annotated_object(segmentation, label=1, height=4, width=6, area=5.5, crowd=True)
    assert (stated.area, stated.crowd) == (5.5, True)


@pytest.mark.parametrize(
    ("segmentation", "message"),
    [
        ({"size": [4, 6]}, "not a segmentation"),
        ({"size": [2, 2], "counts": b"04"}, r"of \(2, 2\) in a picture of \(4, 6\)"),
        ([], "not a segmentation"),
        ([[1, 2]], r"of \(0, 0\) in a picture"),
        ("text", "not a segmentation"),
    ],
)
def test_damaged_annotations(segmentation, message):
    with pytest.raises(ContractError, match=message):
        annotated_object(segmentation, label=0, height=4, width=6)


def test_classes_that_do_not_exist():
    with pytest.raises(ContractError, match="a segment has class 7, but the classes are 0 to 2"):
        object_masks(segments((4, 4), (7, 1, 0, 0, 2, 2)), THINGS)
    strange = (ObjectMask(label=3, counts=b"04", area=4.0),)
    with pytest.raises(ContractError, match="an object has class 3, but the classes are 0 to 2"):
        average_precision((PictureObjects(height=2, width=2, truth=strange, found=()),), classes=3)


def test_without_the_package(monkeypatch):
    def missing(name):
        raise ModuleNotFoundError(name=name.partition(".")[0])

    monkeypatch.setattr("maskattn_edge.optional.importlib.import_module", missing)
    message = r"mask AP needs .*: pip install 'maskattn-edge\[evaluate\]'"
    with pytest.raises(MissingDependencyError, match=message):
        average_precision((), classes=3)
    with pytest.raises(MissingDependencyError, match=message):
        object_masks(segments((4, 4)), THINGS)
