"""What a ReLU6 cuts off is not worth steps of INT8."""

from __future__ import annotations

from collections import defaultdict

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import numpy_helper


def tighten_before_clips(graph: onnx.GraphProto) -> int:
    """Give a tensor that only a ReLU6 reads the scale of that ReLU6's output.

    The quantizer measures the range of a convolution's output, far beyond 0 to 6, though the
    ReLU6 cuts that off. The smaller scale saturates there instead, which changes nothing behind
    the ReLU6 and leaves finer steps to what passes it. (Without Q/DQ between the two there would
    be one rounding less, but ONNX Runtime fuses no ReLU6 and takes several times as long.)

    Args:
        graph: of symmetric Q/DQ; its scales are changed in place.

    Returns:
        How many scales became smaller.
    """
    values = {tensor.name: tensor for tensor in graph.initializer}
    made_by = {output: node for node in graph.node for output in node.output}
    readers = defaultdict(list)
    for node in graph.node:
        for name in node.input:
            readers[name].append(node)
    changed = 0
    for node in graph.node:
        before, after = made_by.get(node.input[0]), readers[node.output[0]]
        if (
            node.op_type == "Clip"
            and before is not None
            and before.op_type == "DequantizeLinear"
            and len(readers[node.input[0]]) == 1
            and len(after) == 1
            and after[0].op_type == "QuantizeLinear"
        ):
            wide, narrow = (values[name.input[1]] for name in (before, after[0]))
            changed += _lower(wide, numpy_helper.to_array(narrow))
    return changed


def _lower(scale: onnx.TensorProto, bound: NDArray[np.float32]) -> bool:
    former = numpy_helper.to_array(scale)
    scale.CopyFrom(numpy_helper.from_array(np.minimum(former, bound), scale.name))
    return bool((bound < former).any())
