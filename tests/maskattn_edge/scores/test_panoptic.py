"""Panoptic quality, rule by rule, on pictures small enough to count by hand."""

from __future__ import annotations

import doctest
import time

import numpy as np
import pytest

from maskattn_edge.contract.errors import ContractError
from maskattn_edge.scores import (
    PanopticCounts,
    mean_quality,
    panoptic,
    panoptic_counts,
    quality_per_class,
)
from maskattn_edge.segments import Segments

CAR, ROAD = 0, 1


def row(*numbers, label, crowd=None):
    """A picture of one row."""
    return Segments(
        map=np.array([numbers], np.uint16),
        label=np.array(label, np.uint8),
        crowd=np.array(crowd or [False] * len(label), bool),
    )


def counted(truth, prediction, classes=2):
    counts = panoptic_counts(truth, prediction, classes=classes)
    return counts.iou_sum.tolist(), counts.tp.tolist(), counts.fp.tolist(), counts.fn.tolist()


def test_doctests_hold():
    assert doctest.testmod(panoptic, extraglobs={"np": np}).failed == 0


def test_a_match_and_a_class_that_differs():
    truth = row(1, 1, 1, 1, 2, 2, label=[CAR, ROAD])
    prediction = row(1, 1, 1, 2, 2, 2, label=[CAR, ROAD])
    assert counted(truth, prediction) == ([3 / 4, 2 / 3], [1, 1], [0, 0], [0, 0])
    swapped = row(1, 1, 1, 2, 2, 2, label=[ROAD, CAR])
    assert counted(truth, swapped) == ([0, 0], [0, 0], [1, 1], [1, 1])


def test_an_iou_of_one_half_is_no_match():
    assert counted(row(1, 1, label=[CAR]), row(1, 2, label=[CAR, ROAD])) == (
        [0, 0],
        [0, 0],
        [1, 1],
        [1, 0],
    )
    assert counted(row(1, 1, 1, label=[CAR]), row(1, 1, 0, label=[CAR]))[1] == [1, 0]


def test_predicted_pixels_on_void_are_left_out_of_the_union():
    truth = row(1, 1, 0, 0, 0, 0, label=[CAR])
    assert counted(truth, row(1, 1, 1, 1, 1, 1, label=[CAR])) == ([1, 0], [1, 0], [0, 0], [0, 0])


def test_predictions_mostly_on_void_are_dropped_but_not_at_exactly_half():
    truth = row(0, 0, 1, 1, 1, 1, 1, label=[ROAD])
    mostly, half = row(1, 1, 1, 0, 0, 0, 0, label=[CAR]), row(1, 1, 1, 1, 0, 0, 0, label=[CAR])
    assert counted(truth, mostly)[2] == [0, 0]
    assert counted(truth, half)[2] == [1, 0]


def test_crowds_are_never_missed_and_excuse_predictions_of_their_class():
    truth = row(1, 1, 1, 1, 2, 2, label=[CAR, ROAD], crowd=[True, False])
    assert counted(truth, row(0, 0, 0, 0, 1, 1, label=[ROAD])) == ([0, 1], [0, 1], [0, 0], [0, 0])
    assert counted(truth, row(1, 1, 2, 2, 3, 3, label=[CAR, CAR, ROAD]))[2] == [0, 0]
    # of another class, the crowd excuses nothing; and a crowd is no match even when it is equal
    assert counted(truth, row(1, 1, 1, 1, 2, 2, label=[ROAD, ROAD]))[2] == [0, 1]
    assert counted(truth, row(1, 1, 1, 1, 2, 2, label=[CAR, ROAD]))[1] == [0, 1]


def test_void_and_crowd_excuse_together():
    truth = row(0, 1, 2, label=[CAR, ROAD], crowd=[True, False])
    assert counted(truth, row(1, 1, 1, label=[CAR]))[2] == [0, 0]


def test_of_several_crowds_of_a_class_the_last_excuses():
    truth = row(1, 1, 1, 2, 3, label=[CAR, CAR, ROAD], crowd=[True, True, False])
    assert counted(truth, row(1, 1, 1, 0, 0, label=[CAR]))[2] == [1, 0]
    assert counted(truth, row(0, 0, 0, 1, 0, label=[CAR]))[2] == [0, 0]


def test_segments_without_a_pixel_count_nowhere():
    truth, prediction = row(1, 1, label=[CAR, ROAD]), row(2, 2, label=[ROAD, CAR])
    assert counted(truth, prediction) == ([1, 0], [1, 0], [0, 0], [0, 0])


def test_an_empty_answer_and_an_empty_truth():
    nothing, car = row(0, 0, label=[]), row(1, 1, label=[CAR])
    assert counted(car, nothing) == ([0, 0], [0, 0], [0, 0], [1, 0])
    assert counted(nothing, car) == ([0, 0], [0, 0], [0, 0], [0, 0])
    counts = panoptic_counts(nothing, nothing, classes=2)
    assert all(np.isnan(part).all() for part in quality_per_class(counts))
    assert np.isnan(mean_quality(counts)).all()


def test_counts_add_up_and_means_leave_out_what_was_not_seen():
    first = panoptic_counts(row(1, 1, label=[CAR]), row(1, 1, label=[CAR]), classes=3)
    second = panoptic_counts(row(1, 2, label=[CAR, ROAD]), row(1, 1, label=[ROAD]), classes=3)
    total = PanopticCounts.none(3) + first + second
    pq, sq, rq = quality_per_class(total)
    np.testing.assert_allclose(pq, [1 / 1.5, 0, np.nan])
    np.testing.assert_allclose(sq, [1, 0, np.nan])
    np.testing.assert_allclose(rq, [1 / 1.5, 0, np.nan])
    np.testing.assert_allclose(mean_quality(total), [1 / 3, 1 / 2, 1 / 3])
    things = np.array([True, False, False])
    np.testing.assert_allclose(mean_quality(total, things), [2 / 3, 1, 2 / 3])
    assert np.isnan(mean_quality(total, np.array([False, False, True]))).all()


def test_more_pairs_than_a_table_holds():
    numbers = np.arange(1, 1601).reshape(40, 40).astype(np.uint16)
    many = Segments(map=numbers, label=np.zeros(1600, np.uint8))
    assert counted(many, many, classes=1) == ([1600], [1600], [0], [0])


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: counted(row(1, label=[CAR]), row(1, 1, label=[CAR])), "bring both to one size"),
        (lambda: counted(row(1, label=[2]), row(1, label=[CAR])), "truth has a segment of class 2"),
        (lambda: counted(row(0, label=[]), row(1, label=[9])), "prediction has .* are 0 to 1"),
        (lambda: PanopticCounts.none(2) + PanopticCounts.none(3), "2 and of 3 classes"),
        (
            lambda: mean_quality(PanopticCounts.none(2), np.ones(3, bool)),
            r"chosen by \(2,\) bool, got \(3,\)",
        ),
        (
            lambda: PanopticCounts(
                iou_sum=np.zeros(2),
                tp=np.zeros(2, np.int64),
                fp=np.zeros(1, np.int64),
                fn=np.zeros(2, np.int64),
            ),
            r"fp is \(2,\) int64",
        ),
        (
            lambda: PanopticCounts(
                iou_sum=np.zeros(2, np.float32), **dict.fromkeys(("tp", "fp", "fn"), np.zeros(2))
            ),
            r"IoU sums are \(K,\) float64",
        ),
    ],
)
def test_what_is_refused(call, message):
    with pytest.raises(ContractError, match=message):
        call()


@pytest.mark.parametrize(("height", "width", "segments"), [(128, 128, 40), (480, 640, 100)])
def test_how_long_a_picture_takes(height, width, segments):
    """Printed by `pytest -s`, not asserted."""
    rng = np.random.default_rng(0)

    def blocks():
        coarse = rng.integers(0, segments + 1, (height // 16, width // 16))
        return Segments(
            map=np.kron(coarse, np.ones((16, 16), int)).astype(np.uint16),
            label=rng.integers(0, 133, segments).astype(np.uint8),
        )

    truth, prediction = blocks(), blocks()
    times_ms = []
    for _ in range(9):
        before = time.perf_counter()
        counts = panoptic_counts(truth, prediction, classes=133)
        times_ms.append((time.perf_counter() - before) * 1e3)
    print(f"\npanoptic_counts, {height}x{width}: {np.median(times_ms):.2f} ms")
    assert counts.fp.sum() > 0
