"""Random pictures: scores equal slow references that are written from the published rules."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from maskattn_edge.scores import (
    PanopticCounts,
    PictureObjects,
    average_precision,
    confusion_matrix,
    mean_iou,
    mean_quality,
    object_masks,
    panoptic_counts,
    quality_per_class,
)
from maskattn_edge.segments import Segments

CLASSES = 5
quickly = settings(max_examples=60, deadline=None, derandomize=True)


@st.composite
def pictures(draw, *, most=255):
    """Truth and answer of one size: few or many segments, void, crowds, covered segments."""
    shape = draw(st.integers(1, 24)), draw(st.integers(1, 24))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    truth = _segments(draw, rng, shape, crowds=draw(st.sampled_from([0.0, 0.3, 1.0])), most=most)
    if draw(st.booleans()):
        return truth, _segments(draw, rng, shape, crowds=0.0, most=most)
    lost = rng.random(shape) < draw(st.sampled_from([0.0, 0.1, 0.5]))  # near the truth: matches
    near = Segments(
        map=np.where(lost, 0, truth.map).astype(np.uint16),
        label=truth.label,
        score=rng.random(len(truth)).astype(np.float32),
    )
    return truth, near


def _segments(draw, rng, shape, *, crowds, most):
    count = draw(st.sampled_from([0, 1, 2, 3, 7, most]))
    block = draw(st.integers(1, 6))
    coarse = rng.integers(0, count + 1, [-(-side // block) for side in shape])
    return Segments(
        map=np.kron(coarse, np.ones((block, block), int))[: shape[0], : shape[1]].astype(np.uint16),
        label=rng.integers(0, CLASSES, count).astype(np.uint8),
        crowd=rng.random(count) < crowds,
        score=rng.choice(np.float32([0.1, 0.5, 0.5, 0.9]), count),
    )


def slow_panoptic(truth, prediction):
    """The rules of panopticapi with sets of pixels: (iou, tp, fp, fn) for each class."""
    of_truth, of_prediction = _pixels(truth), _pixels(prediction)
    void = {place for place, number in np.ndenumerate(truth.map) if number == 0}
    stat = [[0.0, 0, 0, 0] for _ in range(CLASSES)]
    matched_truth, matched_prediction = set(), set()
    for g, g_pixels in of_truth.items():
        for p, p_pixels in of_prediction.items():
            if truth.crowd[g] or truth.label[g] != prediction.label[p]:
                continue
            iou = len(g_pixels & p_pixels) / len(g_pixels | (p_pixels - void))
            if iou > 0.5:
                stat[truth.label[g]][0] += iou
                stat[truth.label[g]][1] += 1
                matched_truth.add(g)
                matched_prediction.add(p)
    crowd_of = {}
    for g in of_truth:
        if truth.crowd[g]:
            crowd_of[truth.label[g]] = of_truth[g]
        elif g not in matched_truth:
            stat[truth.label[g]][3] += 1
    for p, p_pixels in of_prediction.items():
        excused = void | crowd_of.get(prediction.label[p], set())
        if p not in matched_prediction and not len(p_pixels & excused) / len(p_pixels) > 0.5:
            stat[prediction.label[p]][2] += 1
    return stat


def _pixels(segments):
    """Sets of (y, x) by row of the tables; segments without a pixel are not there."""
    sets = {}
    for place, number in np.ndenumerate(segments.map):
        if number:
            sets.setdefault(int(number) - 1, set()).add(place)
    return dict(sorted(sets.items()))


def slow_means(stat):
    parts = []
    for iou, tp, fp, fn in stat:
        if tp + fp + fn == 0:
            continue
        sq = iou / tp if tp else 0.0
        parts.append((iou / (tp + fp / 2 + fn / 2), sq, tp / (tp + fp / 2 + fn / 2)))
    return np.mean(parts, axis=0) if parts else np.full(3, np.nan)


@quickly
@given(st.lists(pictures(), min_size=1, max_size=3))
def test_panoptic_quality_of_a_data_set(data):
    total = PanopticCounts.none(CLASSES)
    expected = np.zeros((CLASSES, 4))
    for truth, prediction in data:
        total += panoptic_counts(truth, prediction, classes=CLASSES)
        expected += slow_panoptic(truth, prediction)
    np.testing.assert_allclose(total.iou_sum, expected[:, 0], atol=1e-9)
    np.testing.assert_array_equal(total.tp, expected[:, 1])
    np.testing.assert_array_equal(total.fp, expected[:, 2])
    np.testing.assert_array_equal(total.fn, expected[:, 3])
    np.testing.assert_allclose(mean_quality(total), slow_means(expected), atol=1e-6)


@quickly
@given(pictures())
def test_undefined_only_where_a_class_was_not_seen(picture):
    truth, prediction = picture
    counts = panoptic_counts(truth, prediction, classes=CLASSES)
    seen = counts.tp + counts.fp + counts.fn > 0
    for part in quality_per_class(counts):
        np.testing.assert_array_equal(np.isnan(part), ~seen)
        assert ((part[seen] >= 0) & (part[seen] <= 1)).all()
    pq, sq, rq = quality_per_class(counts)
    np.testing.assert_allclose(pq[seen], (sq * rq)[seen])
    labels = np.minimum(prediction.labels(), CLASSES - 1)
    matrix = confusion_matrix(truth.labels(), labels, classes=CLASSES)
    assert np.isnan(mean_iou(matrix)) == (matrix.sum() == 0)


@quickly
@given(pictures())
def test_the_truth_itself_scores_one(picture):
    truth, _ = picture
    counts = panoptic_counts(truth, truth, classes=CLASSES)
    present = np.unique(truth.label[(truth.areas() > 0) & ~truth.crowd])
    assert set(np.flatnonzero(counts.tp)) == set(present.tolist())
    assert counts.fn.sum() == 0
    np.testing.assert_allclose(counts.iou_sum, counts.tp)


def slow_average_precision(data, label):
    """COCO's AP of one class, with sets of pixels; NaN where there is nothing to find."""
    return float(np.mean([_at_threshold(data, label, 0.5 + 0.05 * step) for step in range(10)]))


def _at_threshold(data, label, threshold):
    ranked, total = [], 0
    for truth, prediction in data:
        true_sets, found_sets = _pixels(truth), _pixels(prediction)
        wanted = [g for g in true_sets if truth.label[g] == label]
        wanted.sort(key=lambda g: bool(truth.crowd[g]))
        total += sum(not truth.crowd[g] for g in wanted)
        found = [p for p in found_sets if prediction.label[p] == label]
        found.sort(key=lambda p: -float(prediction.score[p]))
        taken = set()
        for p in found[:100]:
            best, at = min(threshold, 1 - 1e-10), None
            for g in wanted:
                if g in taken and not truth.crowd[g]:
                    continue
                if at is not None and not truth.crowd[at] and truth.crowd[g]:
                    break  # an object was matched: crowds come after
                shared = len(true_sets[g] & found_sets[p])
                whole = found_sets[p] if truth.crowd[g] else true_sets[g] | found_sets[p]
                if shared / len(whole) >= best:
                    best, at = shared / len(whole), g
            if at is not None:
                taken.add(at)
            if at is None or not truth.crowd[at]:
                ranked.append((-float(prediction.score[p]), at is not None))
    if not total:
        return np.nan
    ranked.sort(key=lambda entry: entry[0])
    hits = np.cumsum([hit for _, hit in ranked])
    recall, precision = hits / total, hits / np.arange(1, len(hits) + 1)
    reached = [precision[recall >= point - 1e-12] for point in np.linspace(0, 1, 101)]
    return float(np.mean([part.max() if part.size else 0.0 for part in reached]))


@quickly
@given(st.lists(pictures(), min_size=1, max_size=2))
def test_average_precision_of_a_data_set(data):
    things = np.arange(CLASSES) > 0
    records = tuple(
        PictureObjects(
            height=truth.map.shape[0],
            width=truth.map.shape[1],
            truth=object_masks(truth, things),
            found=object_masks(prediction, things),
        )
        for truth, prediction in data
    )
    precision = average_precision(records, classes=CLASSES)
    assert np.isnan(precision.ap[0])
    expected = [slow_average_precision(data, label) for label in range(1, CLASSES)]
    np.testing.assert_allclose(precision.ap[1:], expected, atol=1e-6)
    for part in precision:
        assert not (np.isnan(precision.ap) & ~np.isnan(part)).any()
