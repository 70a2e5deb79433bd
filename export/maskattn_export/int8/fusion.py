"""Q/DQ taken out where TensorRT would not fuse across it.

TensorRT makes one INT8 kernel of a convolution, the sum that reads it and the Q behind, if the
sum's other operand is quantised and nothing parts the two. Quantizers made for CPUs quantise the
convolution's output too, because ONNX Runtime fuses no convolution without it: TensorRT then
computes the sum, with both conversions, in a kernel of its own.

Source: docs.nvidia.com/deeplearning/tensorrt, "Explicit Quantization", Q/DQ placement
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection

import onnx

from maskattn_export.int8.qdq import PAIR, drop_unread

_QUANTIZE, _DEQUANTIZE = PAIR


def fuse_for_tensorrt(graph: onnx.GraphProto, kept: Collection[str]) -> None:
    """Take out the pairs between a convolution and its sum, and behind the logits, in place.

    Of a sum of two convolutions one keeps its pair: it is the other's quantised operand.

    Args:
        graph: with Q/DQ.
        kept: names of nodes that stay in floating point by rule; what they alone read of a
            convolution, the logits, gains nothing by being rounded.
    """
    made_by = {output: node for node in graph.node for output in node.output}
    readers = defaultdict(list)
    for node in graph.node:
        for name in node.input:
            readers[name].append(node)
    for node in graph.node:
        if node.op_type == "Add":
            _bare_operand(node, made_by, readers)
        elif node.name in kept:
            for index, name in enumerate(node.input):
                source = _pair_behind_convolution(name, made_by)
                if source and all(reader.name in kept for reader in readers[name]):
                    node.input[index] = source
    drop_unread(graph)


def _bare_operand(
    total: onnx.NodeProto,
    made_by: dict[str, onnx.NodeProto],
    readers: dict[str, list[onnx.NodeProto]],
) -> None:
    """Let the sum read a convolution directly, if that is for it alone."""
    behind = [made_by.get(name) for name in total.input]
    if any(node is None or node.op_type != _DEQUANTIZE for node in behind):
        return
    for index, name in enumerate(total.input):
        source = _pair_behind_convolution(name, made_by)
        if source and len(readers[name]) == len(readers[source]) == 1:
            total.input[index] = source
            return


def _pair_behind_convolution(name: str, made_by: dict[str, onnx.NodeProto]) -> str | None:
    """The output of a convolution that `name` is after Q and DQ; None for all else."""
    dequantize = made_by.get(name)
    if dequantize is None or dequantize.op_type != _DEQUANTIZE:
        return None
    quantize = made_by.get(dequantize.input[0])
    if quantize is None or quantize.op_type != _QUANTIZE:
        return None
    maker = made_by.get(quantize.input[0])
    return quantize.input[0] if maker is not None and maker.op_type == "Conv" else None
