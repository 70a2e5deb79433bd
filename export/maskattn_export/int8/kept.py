"""What stays in floating point by rule, before anything is measured, and why."""

from __future__ import annotations

import re

import onnx

from maskattn_edge.contract.spec import KeptLayer
from maskattn_export.graph import GROUPING
from maskattn_export.int8.qdq import LAYERS

KEPT_REASON = "attention is short of precision in INT8 and no faster"
HEAD_REASON = "offsets to an object's centre are finer than INT8 can tell"
GROUPING_REASON = "it compares places and counts cells"

_IN_ATTENTION = re.compile(r"attention\d+\.(?!\d)")
"""A node of an attention block; `attention3.0.` is of a convolution in its place."""

_OBJECT_HEAD = "object_head"


def kept_by_rule(model: onnx.ModelProto) -> list[str]:
    """Nodes left in floating point: attention, the inside of a GELU, what makes the answer.

    The answer is made of the logits' way to argmax, the last layer of the object heads, whose
    offsets are finer than INT8 can tell, and the grouping.

    A GELU is written as several nodes, of which one adds 1; engines fuse what nothing parts.
    """
    attention = [node.name for node in model.graph.node if _IN_ATTENTION.match(node.name)]
    after_logits = [
        node.name
        for node in model.graph.node
        if node.op_type == "Resize" and node.input[0].startswith("head.")
    ]
    constants = {tensor.name for tensor in model.graph.initializer}
    inside_gelu = [
        node.name
        for node in model.graph.node
        if node.op_type == "Add" and constants.intersection(node.input)
    ]
    return attention + after_logits + inside_gelu + _of_objects(model)


def _of_objects(model: onnx.ModelProto) -> list[str]:
    names = [node.name for node in model.graph.node]
    return [name for name in names if name.startswith((GROUPING, _OBJECT_HEAD))]


def kept_layers(model: onnx.ModelProto) -> list[KeptLayer]:
    """What stays in floating point by rule, and why."""
    kept = [KeptLayer(name=name, reason=KEPT_REASON) for name in kept_nodes(model)]
    objects = _of_objects(model)
    heads = [name for name in objects if name.startswith(_OBJECT_HEAD)]
    kept += [KeptLayer(name=name, reason=HEAD_REASON) for name in heads]
    if objects:
        kept.append(KeptLayer(name=GROUPING, reason=GROUPING_REASON))
    return kept


def kept_nodes(model: onnx.ModelProto) -> list[str]:
    """Names of attention's layers, which stay in floating point: its convolutions and products.

    A product counts as a layer where it has weights, as in the published network's attention.
    """
    weights = {tensor.name for tensor in model.graph.initializer}
    return [
        node.name
        for node in model.graph.node
        if node.op_type in LAYERS
        and _IN_ATTENTION.match(node.name)
        and weights.intersection(node.input)
    ]
