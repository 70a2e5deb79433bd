"""Engines are compared with the answers in the file; limits depend on the precision."""

import numpy as np
import pytest

from maskattn_edge.contract.errors import EngineVerificationError
from maskattn_edge.contract.model_file import read_model_file
from maskattn_edge.engines.tensorrt.sidecar import Agreement
from maskattn_edge.engines.tensorrt.verification import (
    LIMITS,
    Reference,
    agreement,
    check,
    compare,
    label_miou,
    matched_objects,
    reference_of,
)
from maskattn_edge.models import default_model
from maskattn_edge.segmentation import Instances, Segmentation


def agreeing(**values):
    whole = {"labels": 1.0, "miou": 1.0, "file_labels": 1.0, "images": 2, "reference": "test"}
    return Agreement(**{**whole, **values})


@pytest.mark.parametrize(
    ("precision", "values", "message"),
    [
        ("fp32", {}, None),
        ("fp32", {"labels": 0.985}, r"fp32 model does: equal labels 98\.50%, at least 99\.00%"),
        ("fp16", {"labels": 0.985}, None),
        ("fp16", {"labels": 0.97}, "equal labels"),
        ("fp16", {"miou": 0.85}, r"mIoU between the labels 85\.00%"),
        ("int8", {"labels": 0.9, "miou": 0.6, "file_labels": 0.92}, None),
        ("int8", {"labels": 0.9, "file_labels": 0.97}, "as the file on the CPU"),
        ("int8", {"objects": 0.4}, r"matched objects 40\.00%, at least 50\.00%"),
    ],
)
def test_limits(precision, values, message):
    if message is None:
        check(agreeing(**values), precision)
        return
    with pytest.raises(EngineVerificationError, match=message) as caught:
        check(agreeing(**values), precision, where=lambda: "first departs at conv_3")
    assert "not installed" in str(caught.value)
    assert "(first departs at conv_3)" in str(caught.value)


def test_every_precision_has_limits():
    assert set(LIMITS) == {"fp32", "fp16", "int8"}


def test_miou_leaves_tiny_classes_out():
    right = np.zeros((1, 100, 100), np.uint8)
    right[0, :50] = 1
    found = right.copy()
    found[0, 0, 0] = 7  # one pixel of a class that is not there
    assert label_miou(right, found) > 0.99
    found[0, :50] = 0
    assert label_miou(right, found) == pytest.approx(0.25)


def objects(rows, labels):
    map_ = np.array(rows, np.uint8)
    count = len(labels)
    return Instances(
        map=map_,
        label=np.array(labels, np.uint8),
        score=np.ones(count, np.float32),
        box=np.zeros((count, 4), np.int32),
    )


def test_objects_match_by_class_and_overlap_whatever_their_number():
    right = objects([[1, 1, 1, 2, 2, 2]], [4, 5, 0])
    assert matched_objects(right, objects([[2, 2, 2, 1, 1, 1]], [5, 4])) == (4, 4)
    assert matched_objects(right, objects([[2, 2, 2, 1, 1, 1]], [4, 4])) == (2, 4)
    assert matched_objects(right, objects([[1, 0, 0, 2, 2, 2]], [4, 5])) == (2, 4)  # 1 of 3 pixels
    assert matched_objects(right, objects([[0] * 6], [4])) == (0, 2)


def test_objects_count_for_agreement(tiny_file):
    def answer(rows, labels):
        found = objects(np.kron(rows, np.ones((32, 12))), labels)
        return Segmentation(labels=found.map * 0, spec=tiny_file.spec, instances=found)

    right = answer([[1, 1, 2, 2]], [0, 1])
    reference = Reference(
        source="test",
        images=[None],
        labels=[right.labels],
        objects=[right.instances],
        file_answers=[right],
    )
    assert agreement(reference, [right]).objects == 1
    assert agreement(reference, [answer([[1, 1, 0, 0]], [0])]).objects == pytest.approx(2 / 3)
    nothing = answer([[0] * 4], [0])
    empty = Reference(
        source="test",
        images=[None],
        labels=[nothing.labels],
        objects=[nothing.instances],
        file_answers=[nothing],
    )
    assert agreement(empty, [nothing]).objects == 1


def test_samples_of_the_file_are_the_reference():
    from maskattn_edge.engines import open_engine

    file = read_model_file(default_model())
    reference = reference_of(file)
    assert reference.source == "fp32 answers in the file"
    assert len(reference.images) == len(file.spec.samples) > 0
    with open_engine(file, backend="onnxruntime") as engine:
        found = compare(reference, engine)
    assert found.labels == found.file_labels
    check(found, file.spec.precision.name)  # the shipped INT8 file passes its own limits


def test_a_file_without_samples_is_compared_on_drawn_scenes(tiny_file):
    reference = reference_of(tiny_file)
    assert "ONNX Runtime on drawn scenes" in reference.source
    assert all(image.shape == (32, 48, 3) for image in reference.images)
    assert agreement(reference, reference.file_answers).labels == 1


def test_a_wrong_engine_is_caught(tiny_file):
    reference = reference_of(tiny_file)
    wrong = [
        Segmentation(labels=(2 - answer.labels).astype(np.uint8), spec=tiny_file.spec)
        for answer in reference.file_answers
    ]
    with pytest.raises(EngineVerificationError):
        check(agreement(reference, wrong), "int8")
