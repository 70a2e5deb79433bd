"""Segments check themselves, and an answer becomes segments as the panoptic format has it."""

import numpy as np
import pytest

from maskattn_edge.contract.classes import ClassInfo
from maskattn_edge.contract.errors import ContractError
from maskattn_edge.contract.spec import InputSpec, ModelSpec, PrecisionSpec
from maskattn_edge.segmentation import Instances, Segmentation
from maskattn_edge.segments import Segments, segments_of

FLOOR, BOX = 0, 1


def answer(labels, **instances):
    grid = np.zeros((8, 8), np.uint8)
    grid[: len(labels), : len(labels[0])] = labels
    spec = ModelSpec(
        name="test",
        task="panoptic",
        classes=(ClassInfo("floor", (1, 1, 1)), ClassInfo("box", (2, 2, 2), thing=True)),
        input=InputSpec(height=8, width=8),
        precision=PrecisionSpec(name="fp32"),
    )
    found = Instances(**instances) if instances else None
    return Segmentation(labels=grid, spec=spec, instances=found)


def test_labels_of_segments():
    segments = Segments(
        map=np.array([[0, 1, 2]], np.uint16),
        label=np.array([4, 7], np.uint8),
        crowd=np.array([False, True]),
    )
    np.testing.assert_array_equal(segments.labels(), [[255, 4, 7]])
    np.testing.assert_array_equal(segments.labels(crowds=False), [[255, 4, 255]])
    np.testing.assert_array_equal(segments.areas(), [1, 1])
    np.testing.assert_array_equal(segments.score, [1, 1])


def test_no_segments_at_all():
    segments = Segments(map=np.zeros((2, 2), np.uint16), label=np.zeros(0, np.uint8))
    assert len(segments) == 0
    assert (segments.labels() == 255).all()
    assert segments.areas().shape == (0,)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"map": np.zeros((2, 2), np.uint8)}, "a segment map must be 2-dimensional uint16"),
        ({"map": np.full((2, 2), 3, np.uint16)}, "names segment 3, the tables have 1"),
        ({"crowd": np.zeros(2, bool)}, "1 classes, 2 crowds, 1 scores"),
        ({"label": np.array([255], np.uint8)}, "class 255, which is none"),
        ({"score": np.zeros(1)}, "scores must be 1-dimensional float32"),
    ],
)
def test_what_is_refused(changes, message):
    whole = {"map": np.zeros((2, 2), np.uint16), "label": np.zeros(1, np.uint8)}
    with pytest.raises(ContractError, match=message):
        Segments(**(whole | changes))


def test_objects_first_then_stuff():
    mask = np.zeros((8, 8), np.uint8)
    mask[0, 0], mask[0, 1], mask[0, 2] = 1, 3, 2  # row 2 is unused
    segments = segments_of(
        answer(
            [[BOX, BOX, BOX, BOX]],
            map=mask,
            label=np.array([BOX, BOX, BOX], np.uint8),
            score=np.array([0.9, 0, 0.4], np.float32),
            box=np.zeros((3, 4), np.int32),
        )
    )
    np.testing.assert_array_equal(segments.label, [BOX, BOX, FLOOR])
    np.testing.assert_allclose(segments.score, [0.9, 0.4, 1])
    assert segments.map[0, :5].tolist() == [1, 2, 0, 0, 3]


def test_a_semantic_answer_has_one_segment_per_class():
    segments = segments_of(answer([[BOX, BOX]]))
    np.testing.assert_array_equal(segments.label, [FLOOR, BOX])
    assert segments.map[0, :3].tolist() == [2, 2, 1]
