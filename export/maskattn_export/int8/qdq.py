"""Reading and taking out pairs of QuantizeLinear and DequantizeLinear."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection

import onnx

PAIR = ("QuantizeLinear", "DequantizeLinear")

LAYERS = ("Conv", "Gemm", "MatMul")
"""Operators that do a network's work."""


def quantized_tensors(graph: onnx.GraphProto) -> dict[str, list[str]]:
    """Activations that are quantised, by the name of the scale that they share."""
    constants = {tensor.name for tensor in graph.initializer}
    found: dict[str, list[str]] = defaultdict(list)
    for node in graph.node:
        if node.op_type == "QuantizeLinear" and node.input[0] not in constants:
            found[node.input[1]].append(node.input[0])
    return dict(found)


def in_int8(graph: onnx.GraphProto) -> set[str]:
    """Names of the layers with weights that compute in INT8: both operands were quantised."""
    dequantized = {node.output[0] for node in graph.node if node.op_type == "DequantizeLinear"}
    return {
        node.name
        for node in graph.node
        if node.op_type in LAYERS and dequantized.issuperset(node.input[:2])
    }


def in_float(
    model: onnx.ModelProto, original: onnx.ModelProto, nodes: Collection[str]
) -> onnx.ModelProto:
    """A copy of a Q/DQ graph in which the named nodes compute in floating point again.

    They read what was quantised before it was, and their weights are the original's. What other
    nodes read stays quantised; pairs that nobody reads any more go.

    Args:
        model: with Q/DQ.
        original: the graph that it was made from, whose nodes have the same names.
        nodes: names.
    """
    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    graph = copy.graph
    made_by = {output: node for node in graph.node for output in node.output}
    weights = {tensor.name: tensor for tensor in original.graph.initializer}
    sources = {node.name: node for node in original.graph.node}
    there = {tensor.name for tensor in graph.initializer}
    for node in graph.node:
        if node.name not in nodes:
            continue
        for index, name in enumerate(node.input):
            former = _before(name, made_by)
            if former is None:  # INT8 weights: their floats are in the original only
                source = sources[node.name].input[index]
                former = f"{source}.float"  # one quantizer gives the INT8 weights the bare name
                if former not in there:
                    graph.initializer.append(_renamed(weights[source], former))
                    there.add(former)
            node.input[index] = former
    drop_unread(graph)
    return copy


def drop_unread(graph: onnx.GraphProto) -> None:
    """Remove pairs, and constants, that nothing reads, in place."""
    answers = {port.name for port in graph.output}
    while True:
        read = answers.union(*(node.input for node in graph.node))
        idle = [n for n in graph.node if n.op_type in PAIR and not read.intersection(n.output)]
        if not idle:
            break
        for node in idle:
            graph.node.remove(node)
    for tensor in [tensor for tensor in graph.initializer if tensor.name not in read]:
        graph.initializer.remove(tensor)


def _before(name: str, made_by: dict[str, onnx.NodeProto]) -> str | None:
    """The tensor that stood at `name` before Q and DQ; None if it is only there as INT8."""
    dequantize = made_by.get(name)
    if dequantize is None or dequantize.op_type != "DequantizeLinear":
        return name
    quantize = made_by.get(dequantize.input[0])
    return None if quantize is None else quantize.input[0]


def _renamed(tensor: onnx.TensorProto, name: str) -> onnx.TensorProto:
    copy = onnx.TensorProto()
    copy.CopyFrom(tensor)
    copy.name = name
    return copy
