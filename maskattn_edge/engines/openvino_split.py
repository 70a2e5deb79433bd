"""One convolution that is split afterwards, as the convolutions that OpenVINO's kernels like.

Attention takes queries, keys, values and its mask from one convolution. OpenVINO computes it with
channels last and splits it with a reference kernel, because the parts are wanted with channels
first: 12 % of a frame of the shipped model. A convolution for each part gives the same numbers,
and no split.
"""

from __future__ import annotations

from types import ModuleType
from typing import Any

import numpy as np


def split_convolutions(openvino: ModuleType, model: Any) -> int:  # noqa: ANN401 - no types
    """Rewrite each split over the channels of a convolution in place; `model`: `openvino.Model`.

    Returns:
        How many there were.
    """
    found = [node for node in model.get_ops() if _splits_a_convolution(node)]
    for node in found:
        for output, part in zip(node.outputs(), _parts(openvino.opset13, node), strict=True):
            output.replace(part.output(0))
    if found:
        model.validate_nodes_and_infer_types()
    return len(found)


def _splits_a_convolution(node: Any) -> bool:  # noqa: ANN401
    """Conv, the sum with a constant per channel, VariadicSplit over axis 1, nothing in between."""
    if node.get_type_name() != "VariadicSplit":
        return False
    axis, total = node.input_value(1).get_node(), node.input_value(0).get_node()
    if axis.get_type_name() != "Constant" or int(axis.data) != 1:
        return False
    if total.get_type_name() != "Add" or len(total.output(0).get_target_inputs()) != 1:
        return False
    conv, bias = total.input_value(0), total.input_value(1).get_partial_shape()
    readers = {reader.get_node().get_type_name() for reader in conv.get_target_inputs()}
    return bool(
        conv.get_node().get_type_name() == "Convolution"
        and readers <= {"Add", "ShapeOf"}  # a shape is known when compiling
        and conv.get_node().input_value(1).get_node().get_type_name() == "Constant"
        and bias.is_static
        and list(bias) == [1, conv.get_partial_shape()[1].get_length(), 1, 1]
    )


def _parts(ops: Any, node: Any) -> list[Any]:  # noqa: ANN401
    """A convolution with its sum for each part; splits of constants are done when compiling."""
    total, sizes = node.input_value(0).get_node(), node.input_value(2)
    conv = total.input_value(0).get_node()
    how = conv.get_attributes()
    kernels = ops.variadic_split(conv.input_value(1), ops.constant(np.int64(0)), sizes)
    biases = ops.variadic_split(total.input_value(1), ops.constant(np.int64(1)), sizes)
    return [
        ops.add(
            ops.convolution(
                conv.input_value(0),
                kernels.output(part),
                how["strides"],
                how["pads_begin"],
                how["pads_end"],
                how["dilations"],
                how["auto_pad"],
            ),
            biases.output(part),
        )
        for part in range(len(node.outputs()))
    ]
