"""The answer for a frame validates itself and comes back at the frame's size."""

import math

import numpy as np
import pytest

from maskattn_edge.contract.classes import ClassInfo
from maskattn_edge.contract.errors import ContractError
from maskattn_edge.contract.spec import InputSpec, ModelSpec, PrecisionSpec
from maskattn_edge.frame import FrameTimes
from maskattn_edge.preprocess import geometry
from maskattn_edge.segmentation import Instances, Segmentation

SPEC = ModelSpec(
    name="test",
    task="semantic",
    classes=(ClassInfo("floor", (10, 20, 30)), ClassInfo("box", (200, 100, 50), True)),
    input=InputSpec(height=8, width=8),
    precision=PrecisionSpec(name="fp32"),
)


def labels_with_box():
    labels = np.zeros((8, 8), np.uint8)
    labels[2:4, 2:6] = 1
    return labels


def on_frame(height=16, width=32, resize="stretch"):
    place = geometry(height, width, height=8, width=8, resize=resize)
    return Segmentation(labels=labels_with_box(), spec=SPEC).at(place, FrameTimes(captured=0.0))


def test_labels_at_the_frame():
    frame = on_frame().frame_labels
    assert frame.shape == (16, 32)
    np.testing.assert_array_equal(frame[4:8, 8:24], 1)
    assert frame.sum() == 4 * 16


def test_areas_are_sorted_and_named():
    floor, box = on_frame().areas()
    assert (floor["name"], box["name"]) == ("floor", "box")
    assert box["share"] == pytest.approx(64 / 512)
    assert sorted(map(tuple, box["contours"][0])) == [(8, 4), (8, 7), (23, 4), (23, 7)]
    assert on_frame().areas(contours=False)[0]["contours"] == []


def test_overlay_mixes_colours():
    image = np.full((16, 32, 3), 100, np.uint8)
    drawn = on_frame().overlay(image, opacity=0.5)
    np.testing.assert_array_equal(drawn[0, 0], [65, 60, 55])  # BGR of floor, half and half
    np.testing.assert_array_equal(drawn[6, 10], [75, 100, 150])
    np.testing.assert_array_equal(image, 100)
    np.testing.assert_array_equal(on_frame().overlay(image, opacity=0), image)


def test_colored_is_rgb():
    np.testing.assert_array_equal(on_frame().colored()[6, 10], [200, 100, 50])


def test_times():
    times = FrameTimes(captured=1.0, taken=1.5, inferred=1.504, delivered=1.6)
    assert times.latency_ms == pytest.approx(4)
    assert times.age_ms == pytest.approx(600)
    assert math.isnan(FrameTimes(captured=1.0).age_ms)


def instances(**changes):
    values = {
        "map": labels_with_box(),
        "label": np.array([1], np.uint8),
        "score": np.array([0.5], np.float32),
        "box": np.array([[2, 2, 6, 4]], np.int32),
    }
    return Instances(**values | changes)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Segmentation(labels=np.zeros((4, 4), np.uint8), spec=SPEC), "grid is"),
        (lambda: Segmentation(labels=np.zeros((8, 8), np.int64), spec=SPEC), "uint8"),
        (lambda: on_frame().overlay(np.zeros((4, 4, 3), np.uint8)), "got an image of"),
        (lambda: on_frame().overlay(np.zeros((16, 32, 3), np.uint8), opacity=2), "from 0 to 1"),
        (lambda: instances(score=np.zeros(2, np.float32)), "differ in length"),
        (lambda: instances(map=np.full((8, 8), 2, np.uint8)), "names row 2"),
        (lambda: instances(box=np.zeros((1, 4))), "int32"),
    ],
)
def test_what_does_not_fit_is_refused(make, message):
    with pytest.raises(ContractError, match=message):
        make()


def test_instances_come_along():
    place = geometry(16, 16, height=8, width=8, resize="stretch")
    answer = Segmentation(labels=labels_with_box(), spec=SPEC, instances=instances())
    frame = answer.at(place, FrameTimes(captured=0.0)).frame_instances
    np.testing.assert_array_equal(frame[4:8, 4:12], 1)
    assert frame.sum() == 32
