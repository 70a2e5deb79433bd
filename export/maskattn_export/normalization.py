"""How an exported graph brings the image to zero mean and unit deviation."""

from __future__ import annotations

import numpy as np
import onnx


def fold_division(graph: onnx.GraphProto) -> None:
    """Divide the first convolution's weights instead of the image: a layer less, in place.

    Exact up to rounding, because zero padding stays zero. (The mean cannot move in the same way:
    the padding would have to be the mean.) A graph of another form is left as it is.
    """
    initializers = {tensor.name: tensor for tensor in graph.initializer}
    for division in [node for node in graph.node if node.op_type == "Div"]:
        users = [node for node in graph.node if division.output[0] in node.input]
        divisor = initializers.get(division.input[1])
        if len(users) != 1 or users[0].op_type != "Conv" or divisor is None:
            continue
        weights = initializers[users[0].input[1]]
        values = onnx.numpy_helper.to_array(weights)
        scale = onnx.numpy_helper.to_array(divisor)
        if scale.shape != (1, values.shape[1], 1, 1):
            continue
        folded = (values / scale).astype(values.dtype)
        weights.CopyFrom(onnx.numpy_helper.from_array(folded, weights.name))
        users[0].input[0] = division.input[0]
        graph.node.remove(division)
        graph.initializer.remove(divisor)


def subtract_before_transpose(graph: onnx.GraphProto, width: int) -> None:
    """Subtract the mean from the image as it lies in memory, channels last, in place.

    The same numbers, sooner: TensorRT makes one kernel of the conversion from uint8, the
    difference and the transpose, which then reads the image's bytes in their order, across the bus
    where the image is used in place: 0.111 instead of 0.116 ms for all of `s` on an H100 (GPU,
    TensorRT 10.6, 2026-11-24; docs/engines.md). The constant has a whole row of pixels because ONNX
    Runtime took 8 % longer for all of `s` on a CPU, in fp32, when it repeated three numbers.

    Args:
        graph: changed where Transpose to channels first, then Sub of (1, C, 1, 1) are its only way
            from the image; a graph of another form is left as it is.
        width: of the image in pixels.
    """
    constants = {tensor.name: tensor for tensor in graph.initializer}
    for transpose in [node for node in graph.node if node.op_type == "Transpose"]:
        users = [node for node in graph.node if transpose.output[0] in node.input]
        if len(users) != 1 or users[0].op_type != "Sub" or users[0].input[1] not in constants:
            continue
        difference, mean = users[0], constants[users[0].input[1]]
        values = onnx.numpy_helper.to_array(mean)
        if _permutation(transpose) != [0, 3, 1, 2] or values.shape != (1, values.size, 1, 1):
            continue
        row = np.broadcast_to(values.ravel(), (1, 1, width, values.size))
        mean.CopyFrom(onnx.numpy_helper.from_array(np.ascontiguousarray(row), mean.name))
        channels_last, normal = transpose.input[0], difference.output[0]
        for node in graph.node:
            node.input[:] = [transpose.output[0] if name == normal else name for name in node.input]
        difference.input[0], transpose.input[0] = channels_last, normal
        graph.node.remove(difference)
        graph.node.insert(list(graph.node).index(transpose), difference)


def _permutation(transpose: onnx.NodeProto) -> list[int]:
    return [int(axis) for attribute in transpose.attribute for axis in attribute.ints]
