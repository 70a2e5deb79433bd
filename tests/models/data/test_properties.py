"""Any label image goes through readers, numbering and scaling; what comes out keeps its promise."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from maskattn_edge.contract.classes import ClassInfo
from maskattn_edge.segment_grid import fit_segments
from maskattn_edge.segments import Segments
from maskattn_models.data import Sample
from maskattn_models.data.dataset import label_table
from maskattn_models.data.masks import MaskTruth
from maskattn_models.data.numbering import Meaning, number_segments, present, segments_of_labels

CLASSES = tuple(ClassInfo(str(index), (0, 0, 0), thing=index >= 3) for index in range(6))
SIZES = st.tuples(st.integers(1, 24), st.integers(1, 24))
RESIZES = st.sampled_from(["stretch", "letterbox"])
QUICK = settings(max_examples=60, deadline=None)


@st.composite
def arrays(draw, values):
    """A picture of up to 24x24 pixels, of blocks or of single pixels."""
    height, width = draw(SIZES)
    block = draw(st.integers(1, 8))
    seed = draw(st.integers(0, 2**32 - 1))
    chosen = draw(st.lists(values, min_size=1, max_size=8))
    cells = np.random.default_rng(seed).choice(chosen, (-(-height // block), -(-width // block)))
    return cells.repeat(block, 0).repeat(block, 1)[:height, :width]


LABELS = arrays(st.one_of(st.just(255), st.integers(0, 5)))


def check(segments: Segments) -> None:
    """Each pixel that is not void has a class, and all pixels are counted once."""
    assert segments.areas().sum() == (segments.map > 0).sum()
    labels = segments.labels()
    np.testing.assert_array_equal(labels == 255, segments.map == 0)
    assert (segments.labels(crowds=False)[labels == 255] == 255).all()


@QUICK
@given(LABELS, SIZES, RESIZES)
def test_label_images(labels, size, resize):
    labels = labels.astype(np.uint8)
    segments = segments_of_labels(labels)
    check(segments)
    np.testing.assert_array_equal(segments.labels(), labels)
    fitted = fit_segments(segments, height=size[0], width=size[1], resize=resize)
    check(fitted)
    assert fitted.map.shape == size
    assert set(present(fitted.map)) <= {0, *present(segments.map)}


@QUICK
@given(arrays(st.one_of(st.just(0), st.integers(0, 2**24 - 1))), st.data())
def test_id_images(ids, data):
    listed = data.draw(st.permutations(present(ids)))
    known = {value: Meaning(value % 6, crowd=value % 2 == 1) for value in listed if value}
    segments = number_segments(ids, known)
    check(segments)
    for number, value in enumerate(known, start=1):
        np.testing.assert_array_equal(segments.map == number, ids == value)


@QUICK
@given(LABELS, arrays(st.integers(0, 255)))
def test_masks_with_instances(tmp_path_factory, labels, numbers):
    height, width = (min(pair) for pair in zip(labels.shape, numbers.shape, strict=True))
    labels, numbers = labels[:height, :width].astype(np.uint8), numbers[:height, :width]
    # An instance has one class, a thing: the low bits of its number say which.
    numbers = np.where((labels >= 3) & (labels < 6) & (numbers % 3 == labels % 3), numbers, 0)
    folder = tmp_path_factory.getbasetemp()
    sample = Sample(folder / "none", folder / "mask.png", folder / "instances.png")
    assert cv2.imwrite(str(sample.mask), labels)
    assert cv2.imwrite(str(sample.instances), numbers.astype(np.uint8))
    truth = MaskTruth(name="set", classes=CLASSES, label_table=label_table(len(CLASSES)))
    segments = truth.segments(sample)
    check(segments)
    np.testing.assert_array_equal(segments.labels(), labels)
    assert len(segments) - segments.crowd.sum() == len(set(present(numbers)) - {0}) + len(
        set(present(labels)) & {0, 1, 2}
    )


@pytest.mark.parametrize("resize", ["stretch", "letterbox"])
@pytest.mark.parametrize(
    "numbers",
    [
        np.zeros((7, 9), np.uint16),  # void everywhere
        np.ones((1, 1), np.uint16),  # one pixel
        np.arange(1, 256, dtype=np.uint16).reshape(15, 17),  # 255 instances of a pixel
        np.pad(np.ones((1, 1), np.uint16), 40),  # one pixel that vanishes
    ],
)
def test_extremes(numbers, resize):
    count = int(numbers.max())
    segments = Segments(map=numbers, label=np.zeros(count, np.uint8))
    for height, width in ((1, 1), (8, 8), (64, 32)):
        check(fit_segments(segments, height=height, width=width, resize=resize))


def test_a_cell_takes_the_segment_with_the_largest_area():
    numbers = np.array([[1, 1, 0, 0], [1, 300, 300, 0]], np.uint16)
    segments = Segments(map=numbers, label=np.zeros(300, np.uint8))
    assert fit_segments(segments, height=1, width=2, resize="stretch").map.tolist() == [[1, 0]]
    boxed = fit_segments(segments, height=4, width=2, resize="letterbox").map
    assert boxed.tolist() == [[0, 0], [1, 0], [0, 0], [0, 0]]
