from __future__ import annotations

import doctest

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from maskattn_edge.contract.errors import ContractError
from maskattn_edge.scores import (
    confusion,
    confusion_matrix,
    iou_per_class,
    mean_iou,
    pixel_accuracy,
)


def slow_confusion(truth, prediction, classes, ignore):
    counts = [[0] * classes for _ in range(classes)]
    for true, found in zip(truth.ravel().tolist(), prediction.ravel().tolist(), strict=True):
        if true != ignore:
            counts[true][found] += 1
    return counts


def slow_iou(truth, prediction, classes, ignore):
    counted = [
        (true, found)
        for true, found in zip(truth.ravel().tolist(), prediction.ravel().tolist(), strict=True)
        if true != ignore
    ]
    scores = []
    for label in range(classes):
        both = sum(true == label and found == label for true, found in counted)
        either = sum(label in (true, found) for true, found in counted)
        scores.append(both / either if either else float("nan"))
    return scores


@st.composite
def label_maps(draw):
    classes = draw(st.integers(1, 6))
    ignore = draw(st.sampled_from([255, 0, 7]))
    shape = draw(st.tuples(st.integers(0, 6), st.integers(0, 6)))
    size = shape[0] * shape[1]
    truth = draw(st.lists(st.sampled_from([*range(classes), ignore]), min_size=size, max_size=size))
    found = draw(st.lists(st.integers(0, classes - 1), min_size=size, max_size=size))
    return (
        np.array(truth, np.uint8).reshape(shape),
        np.array(found, np.uint8).reshape(shape),
        classes,
        ignore,
    )


@settings(max_examples=60, deadline=None)
@given(label_maps())
def test_counts_and_scores_equal_a_pixel_by_pixel_reference(case):
    truth, prediction, classes, ignore = case
    counts = confusion_matrix(truth, prediction, classes=classes, ignore=ignore)
    assert counts.dtype == np.int64
    assert counts.tolist() == slow_confusion(truth, prediction, classes, ignore)
    expected = slow_iou(truth, prediction, classes, ignore)
    np.testing.assert_allclose(iou_per_class(counts), expected, rtol=1e-12)
    seen = [score for score in expected if score == score]
    np.testing.assert_allclose(
        mean_iou(counts), sum(seen) / len(seen) if seen else np.nan, rtol=1e-12
    )


def test_doctests_hold():
    assert doctest.testmod(confusion, extraglobs={"np": np}).failed == 0


def test_all_255_classes_are_counted():
    every = np.arange(255, dtype=np.uint8)
    np.testing.assert_array_equal(
        confusion_matrix(every, every, classes=255), np.eye(255, dtype=np.int64)
    )


def test_absent_class_is_nan_not_zero():
    np.testing.assert_array_equal(iou_per_class(np.array([[2, 0], [0, 0]])), [1.0, np.nan])


def test_absent_class_is_left_out_of_the_mean():
    assert mean_iou(np.array([[2, 0, 0], [2, 0, 0], [0, 0, 0]])) == pytest.approx(0.25)


def test_nothing_counted_scores_nan():
    empty = confusion_matrix(np.full((2, 2), 255, np.uint8), np.zeros((2, 2), np.uint8), classes=2)
    assert np.isnan(mean_iou(empty))
    assert np.isnan(pixel_accuracy(empty))


def test_prediction_out_of_range_is_allowed_only_where_truth_is_ignored():
    truth = np.array([255, 1], np.uint8)
    assert confusion_matrix(truth, np.array([9, 1], np.uint8), classes=2).sum() == 1
    with pytest.raises(ContractError, match=r"prediction holds the value 9 .* 0 to 1"):
        confusion_matrix(truth, np.array([0, 9], np.uint8), classes=2)


@pytest.mark.parametrize(
    ("truth", "prediction", "classes", "message"),
    [
        (np.array([2], np.uint8), np.array([0], np.uint8), 2, "truth holds the value 2"),
        (np.zeros(2, np.uint8), np.zeros(3, np.uint8), 2, r"\(2,\) and prediction \(3,\)"),
        (np.zeros(2, np.int64), np.zeros(2, np.uint8), 2, "labels are uint8, got truth of int64"),
        (np.zeros(2, np.uint8), np.zeros(2, np.uint8), 0, "1 to 255 classes, got 0"),
        (np.zeros(2, np.uint8), np.zeros(2, np.uint8), 256, "1 to 255 classes, got 256"),
    ],
)
def test_wrong_input_is_refused(truth, prediction, classes, message):
    with pytest.raises(ContractError, match=message):
        confusion_matrix(truth, prediction, classes=classes)


@pytest.mark.parametrize("score", [iou_per_class, mean_iou, pixel_accuracy])
def test_a_matrix_that_is_not_square_is_refused(score):
    with pytest.raises(ContractError, match=r"must be square, \(K, K\), but has shape \(2, 3\)"):
        score(np.zeros((2, 3), np.int64))
