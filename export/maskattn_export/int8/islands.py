"""fp16 between INT8: what a Q/DQ graph leaves in floating point, in the precision of a GPU.

Q and DQ cut a graph into components. One that only joins a Q to a DQ, as a convolution with its
ReLU, is fused into an INT8 kernel, and its type does not matter: it stays fp32, which is what CPUs
fuse. One that computes in floating point, as attention does, or a block that INT8 would ruin, or
one that gives the answer, is an island: it becomes fp16 together with the Q and DQ on its shore,
whose scales are fp16. TensorRT, which takes types as they stand, would compute it in fp32 else.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable

import onnx
from onnxruntime.transformers.onnx_model import OnnxModel

from maskattn_export.half import to_fp16
from maskattn_export.int8.qdq import LAYERS, PAIR, drop_unread, in_int8

OPSET = 19
"""The first whose Q and DQ take fp16."""

_SUFFIX = ".fp16"


def with_fp16_islands(model: onnx.ModelProto) -> onnx.ModelProto:
    """A copy of a Q/DQ graph whose islands are fp16.

    Scales of activations must be exact in fp16: a Q and a DQ of one tensor may then have the same
    scale in two types.
    """
    whole = onnx.shape_inference.infer_shapes(model)
    _set_opset(whole)
    inside = _islands(whole.graph)
    shore = [node for node in whole.graph.node if _is_shore(node, inside, whole.graph)]
    part = to_fp16(_part(whole, inside, shore))
    kept = onnx.GraphProto()
    kept.CopyFrom(whole.graph)
    del kept.node[:]
    moved = inside | {node.name for node in shore if node.op_type == PAIR[0]}
    kept.node.extend(node for node in whole.graph.node if node.name not in moved)
    kept.node.extend(part.graph.node)
    there = {tensor.name for tensor in kept.initializer}
    kept.initializer.extend(one for one in part.graph.initializer if one.name not in there)
    del kept.value_info[:]
    drop_unread(kept)
    whole.graph.CopyFrom(kept)
    OnnxModel.graph_topological_sort(whole.graph, is_deterministic=True)
    onnx.checker.check_model(whole, full_check=True)
    return whole


def _set_opset(model: onnx.ModelProto) -> None:
    for entry in model.opset_import:
        if entry.domain in ("", "ai.onnx"):
            entry.version = max(OPSET, entry.version)


def _islands(graph: onnx.GraphProto) -> set[str]:
    """Names of the nodes, but for Q and DQ, of the components that are islands."""
    quantised = in_int8(graph)
    answers = {port.name for port in graph.output}
    found: set[str] = set()
    for component in _components(graph):
        gives = answers.intersection(name for node in component for name in node.output)
        computes = any(node.op_type in LAYERS and node.name not in quantised for node in component)
        if gives or computes:
            found.update(node.name for node in component)
    return found


def _components(graph: onnx.GraphProto) -> Iterable[list[onnx.NodeProto]]:
    """Nodes that are joined by floats, where Q and DQ are taken out."""
    nodes = [node for node in graph.node if node.op_type not in PAIR]
    leader = {node.name: node.name for node in nodes}

    def find(name: str) -> str:
        while leader[name] != name:
            name = leader[name]
        return name

    made_by = {output: node.name for node in nodes for output in node.output}
    for node in nodes:
        for name in node.input:
            if name in made_by:
                leader[find(node.name)] = find(made_by[name])
    together = defaultdict(list)
    for node in nodes:
        together[find(node.name)].append(node)
    return together.values()


def _is_shore(node: onnx.NodeProto, inside: set[str], graph: onnx.GraphProto) -> bool:
    """Whether it is a DQ that an island reads, or the Q of what one gives."""
    if node.op_type not in PAIR:
        return False
    if node.op_type == PAIR[0]:
        return any(node.input[0] in one.output for one in graph.node if one.name in inside)
    return any(node.output[0] in one.input for one in graph.node if one.name in inside)


def _part(whole: onnx.ModelProto, inside: set[str], shore: list[onnx.NodeProto]) -> onnx.ModelProto:
    """The islands as a model of their own: every input and output is an integer or an answer.

    What the rest of the graph may read too, a DQ or a float, is a copy with a name of its own.
    """
    graph = whole.graph
    chosen = inside | {node.name for node in shore}
    part = onnx.ModelProto()
    part.CopyFrom(whole)
    del part.graph.node[:], part.graph.initializer[:], part.graph.input[:], part.graph.output[:]
    del part.graph.value_info[:]
    part.graph.node.extend(node for node in graph.node if node.name in chosen)
    copies = {one.name for one in graph.initializer if one.data_type == onnx.TensorProto.FLOAT}
    copies |= {node.output[0] for node in shore if node.op_type == PAIR[1]}
    for node in part.graph.node:
        node.input[:] = [f"{name}{_SUFFIX}" if name in copies else name for name in node.input]
        node.output[:] = [f"{name}{_SUFFIX}" if name in copies else name for name in node.output]
        if node.op_type == PAIR[1]:
            node.name += _SUFFIX
    read = {name for node in part.graph.node for name in node.input}
    made = {name for node in part.graph.node for name in node.output}
    for tensor in graph.initializer:
        name = f"{tensor.name}{_SUFFIX}" if tensor.name in copies else tensor.name
        if name in read:
            part.graph.initializer.add().CopyFrom(tensor)
            part.graph.initializer[-1].name = name
    ports = {port.name: port for port in (*graph.value_info, *graph.input, *graph.output)}
    constants = {tensor.name for tensor in part.graph.initializer}
    part.graph.input.extend(ports[name] for name in sorted(read - made - constants - {""}))
    quantised = [node.output[0] for node in shore if node.op_type == PAIR[0]]
    answers = [port.name for port in graph.output if port.name in made]
    part.graph.output.extend(ports[name] for name in (*quantised, *answers))
    return part
