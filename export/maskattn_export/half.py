"""The fp16 file: the fp32 graph with the tensors between input and labels in half precision."""

from __future__ import annotations

import warnings

import onnx
from onnxruntime.transformers.float16 import DEFAULT_OP_BLOCK_LIST, convert_float_to_float16
from onnxruntime.transformers.onnx_model import OnnxModel

from maskattn_edge.contract.spec import KeptLayer, PrecisionSpec

KEPT_OPERATOR = "LayerNormalization"
KEPT_REASON = "a layer norm's sums overflow fp16 where it spans a whole map"
PEAKS_REASON = "fp16 makes neighbours of a centre equal, and two objects of one"

_HALF, _SINGLE = onnx.TensorProto.FLOAT16, onnx.TensorProto.FLOAT
_MAKERS = ("Conv", "Split", "QuantizeLinear", "DequantizeLinear")  # of the map that has the peaks


def to_fp16(model: onnx.ModelProto) -> onnx.ModelProto:
    """A copy of the fp32 graph in fp16; inputs and outputs keep their types.

    ArgMax compares logits that fp16 can make equal, so that a few pixels between two classes
    differ from fp32. What stays in fp32 is the search for the peaks of a map of centres, and layer
    norms, which the published network has: its last one sums 1,048,576 squares, more than fp16 can
    hold.
    """
    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # constants that fp16 rounds to zero; verified afterwards
        half: onnx.ModelProto = convert_float_to_float16(
            copy,
            keep_io_types=["instance_score"],
            disable_shape_infer=False,
            op_block_list=[*DEFAULT_OP_BLOCK_LIST, KEPT_OPERATOR],
            node_block_list=_search_for_peaks(copy),
        )
    for node in half.graph.node:  # the image's Cast aimed at fp32
        if node.op_type == "Cast" and node.input[0] == "image":
            for attribute in node.attribute:
                if attribute.name == "to":
                    attribute.i = onnx.TensorProto.FLOAT16
    _drop_detours(half.graph)
    # The converter appends its casts around fp32 nodes; ONNX wants a node after what it reads.
    OnnxModel.graph_topological_sort(half.graph, is_deterministic=True)
    del half.graph.value_info[:]
    onnx.checker.check_model(half, full_check=True)
    return half


def _drop_detours(graph: onnx.GraphProto) -> None:
    """Join fp32 nodes in a row: the converter rounds to fp16 and back between them."""
    casts = {node.output[0]: node for node in graph.node if node.op_type == "Cast"}
    detours = [
        (casts[back.input[0]], back)
        for back in casts.values()
        if back.input[0] in casts
        and (_target(casts[back.input[0]]), _target(back)) == (_HALF, _SINGLE)
    ]
    straight = {back.output[0]: down.input[0] for down, back in detours}
    for node in graph.node:
        for index, name in enumerate(node.input):
            node.input[index] = straight.get(name, name)
    for cast in [back for _, back in detours] + [down for down, _ in detours]:
        if cast in graph.node and not _is_read(cast, graph):
            graph.node.remove(cast)


def _is_read(node: onnx.NodeProto, graph: onnx.GraphProto) -> bool:
    read = {name for other in graph.node for name in other.input}
    return not read.union(output.name for output in graph.output).isdisjoint(node.output)


def _target(cast: onnx.NodeProto) -> int:
    return next(int(attribute.i) for attribute in cast.attribute if attribute.name == "to")


def fp16_spec(model: onnx.ModelProto) -> PrecisionSpec:
    """What the fp16 file of that fp32 graph says of its precision."""
    reasons = dict.fromkeys(_search_for_peaks(model), PEAKS_REASON)
    reasons |= {n.name: KEPT_REASON for n in model.graph.node if n.op_type == KEPT_OPERATOR}
    return PrecisionSpec(
        name="fp16",
        kept=tuple(
            KeptLayer(name=node.name, reason=reasons[node.name])
            for node in model.graph.node
            if node.name in reasons
        ),
    )


def _search_for_peaks(model: onnx.ModelProto) -> list[str]:
    """Names of the nodes from a layer's map to the TopK of its peaks."""
    made_by = {output: node for node in model.graph.node for output in node.output}
    names: list[str] = []
    waiting = [node for node in model.graph.node if node.op_type == "TopK"]
    while waiting:
        node = waiting.pop()
        if node.op_type in _MAKERS or node.name in names:
            continue
        names.append(node.name)
        waiting += [made_by[name] for name in node.input if name in made_by]
    return names
