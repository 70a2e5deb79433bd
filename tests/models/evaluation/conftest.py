"""A small data set with objects, and model files whose answers are constants."""

from __future__ import annotations

import json

import cv2
import numpy as np
import pytest
from onnx import TensorProto, helper, numpy_helper

from maskattn_edge.contract.classes import ClassInfo
from maskattn_edge.contract.model_file import describe
from maskattn_edge.contract.spec import InputSpec, ModelSpec, PrecisionSpec

FLOOR, WALL, BOX, PERSON = range(4)
CLASSES = (
    ClassInfo("floor", (120, 120, 120)),
    ClassInfo("wall", (60, 60, 200)),
    ClassInfo("box", (240, 200, 20), thing=True),
    ClassInfo("person", (240, 60, 60), thing=True),
)


def scene():
    """Labels and instances of 16x16: floor, wall, two boxes that touch, an unlabelled corner."""
    labels = np.full((16, 16), FLOOR, np.uint8)
    labels[:6] = WALL
    labels[8:14, 2:14] = BOX
    labels[:2, :2] = 255
    instances = np.zeros((16, 16), np.uint8)
    instances[8:14, 2:8], instances[8:14, 8:14] = 1, 2
    return labels, instances


@pytest.fixture
def rooms(tmp_path):
    """The scene three times as large, as `data prepare synthetic` would write it."""
    root = tmp_path / "rooms"
    labels, instances = (np.kron(part, np.ones((3, 3), np.uint8)) for part in scene())
    image = np.stack([labels * 60] * 3, axis=-1)
    for number in range(3):
        for folder, picture in (("images", image), ("masks", labels), ("instances", instances)):
            path = root / folder / "test" / f"{number:06d}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            cv2.imwrite(str(path), picture)
    entries = [{"name": info.name, "color": info.color, "thing": info.thing} for info in CLASSES]
    (root / "classes.json").write_text(json.dumps(entries), encoding="utf-8")
    return root


@pytest.fixture
def constant_model(tmp_path):
    """A function that writes a model file with given answers: `labels`, and tables of objects."""

    def write(name, labels, instances=None, label=(), score=(), *, task="panoptic"):
        outputs = {"labels": np.asarray(labels, np.uint8)[np.newaxis]}
        if instances is not None:
            outputs |= {
                "instances": np.asarray(instances, np.uint8)[np.newaxis],
                "instance_class": np.array([label], np.uint8),
                "instance_score": np.array([score], np.float32),
                "instance_box": np.zeros((1, len(label), 4), np.int32),
            }
        path = tmp_path / name
        spec = ModelSpec(
            name=name,
            task=task,
            classes=CLASSES,
            input=InputSpec(height=16, width=16),
            precision=PrecisionSpec(name="fp32"),
        )
        path.write_bytes(describe(_constants(outputs), spec))
        return path

    return write


def _constants(outputs):
    """A graph that answers constants, plus nothing made of the image."""
    image = helper.make_tensor_value_info("image", TensorProto.UINT8, [1, 16, 16, 3])
    nodes = [
        helper.make_node("Cast", ["image"], ["numbers"], to=TensorProto.INT32),
        helper.make_node("ReduceMin", ["numbers"], ["least"], keepdims=0),
        helper.make_node("Mul", ["least", "zero"], ["nothing"]),
    ]
    weights = [helper.make_tensor("zero", TensorProto.INT32, [], [0])]
    ports = []
    for name, value in outputs.items():
        kind = helper.np_dtype_to_tensor_dtype(value.dtype)
        wide = np.float32 if value.dtype == np.float32 else np.int32
        wide_kind = helper.np_dtype_to_tensor_dtype(np.dtype(wide))
        weights.append(numpy_helper.from_array(value.astype(wide), f"{name}_value"))
        nodes += [
            helper.make_node("Cast", ["nothing"], [f"{name}_nothing"], to=wide_kind),
            helper.make_node("Add", [f"{name}_value", f"{name}_nothing"], [f"{name}_sum"]),
            helper.make_node("Cast", [f"{name}_sum"], [name], to=kind),
        ]
        ports.append(helper.make_tensor_value_info(name, kind, list(value.shape)))
    graph = helper.make_graph(nodes, "constants", [image], ports, weights)
    opset = helper.make_opsetid("", 18)
    return helper.make_model(graph, opset_imports=[opset], ir_version=9).SerializeToString()


@pytest.fixture
def perfect_model(constant_model):
    """A panoptic model file that answers the truth of `rooms`; its corner is wall."""
    labels, instances = scene()
    labels[labels == 255] = WALL
    return constant_model("perfect.onnx", labels, instances, (BOX, BOX, PERSON), (0.9, 0.8, 0))
