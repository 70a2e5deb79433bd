"""ArgMax over classes as OpenVINO's CPU kernels like it.

OpenVINO reads ArgMax as TopK with k = 1, whose kernel over the channels of an image took 18 % of a
frame of the shipped model (performance counters, 1.2 of 6.8 ms on one busy core of an AVX512
Xeon, 2026-11-23). The maximum, an equality and the smallest matching number are three passes of
vector code, and give the same labels: among equal values the first class wins, as ONNX says.
"""

from __future__ import annotations

from types import ModuleType
from typing import Any

import numpy as np


def replace_argmax(openvino: ModuleType, model: Any) -> int:  # noqa: ANN401 - no types
    """Rewrite each ArgMax over axis 1 of `model`, an `openvino.Model`, in place.

    Returns:
        How many there were.
    """
    found = [node for node in model.get_ops() if _is_argmax(node)]
    for node in found:
        index = _first_maximum(openvino.opset13, node.input_value(0))
        kind = node.get_output_element_type(1)
        node.output(1).replace(openvino.opset13.convert(index, kind).output(0))
    if found:
        model.validate_nodes_and_infer_types()
    return len(found)


def _is_argmax(node: Any) -> bool:  # noqa: ANN401
    """A TopK of 1 over axis 1 of (1, K, H, W), of which only the index is used."""
    if node.get_type_name() != "TopK":
        return False
    shape, count = node.input_value(0).get_partial_shape(), node.input_value(1).get_node()
    return bool(
        shape.is_static
        and len(shape) == 4
        and node.get_axis() == 1
        and node.get_attributes()["mode"] == "max"
        and count.get_type_name() == "Constant"
        and int(count.data) == 1
        and not node.output(0).get_target_inputs()
    )


def _first_maximum(ops: Any, values: Any) -> Any:  # noqa: ANN401
    classes = values.get_partial_shape()[1].get_length()
    axis = ops.constant(np.array([1], np.int64))
    numbers = ops.constant(np.arange(classes, dtype=np.float32).reshape(1, classes, 1, 1))
    last = ops.constant(np.float32(classes - 1))  # so that no pixel can get a number beyond
    best = ops.reduce_max(values, axis, keep_dims=True)
    return ops.reduce_min(ops.select(ops.equal(values, best), numbers, last), axis, keep_dims=True)
