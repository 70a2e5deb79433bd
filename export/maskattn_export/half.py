"""The fp16 file: the fp32 graph with the tensors between input and labels in half precision."""

from __future__ import annotations

import warnings

import onnx
from onnxruntime.transformers.float16 import DEFAULT_OP_BLOCK_LIST, convert_float_to_float16
from onnxruntime.transformers.onnx_model import OnnxModel

from maskattn_edge.contract.spec import KeptLayer, PrecisionSpec

KEPT_OPERATOR = "LayerNormalization"
KEPT_REASON = "a layer norm's sums overflow fp16 where it spans a whole map"


def to_fp16(model: onnx.ModelProto) -> onnx.ModelProto:
    """A copy of the fp32 graph in fp16; inputs and outputs keep their types.

    ArgMax compares logits that fp16 can make equal, so that a few pixels between two classes
    differ from fp32. Only layer norms stay in fp32, which the published network has: its last one
    sums 1,048,576 squares, more than fp16 can hold.
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
        )
    for node in half.graph.node:  # the image's Cast aimed at fp32
        if node.op_type == "Cast" and node.input[0] == "image":
            for attribute in node.attribute:
                if attribute.name == "to":
                    attribute.i = onnx.TensorProto.FLOAT16
    # The converter appends its casts around fp32 nodes; ONNX wants a node after what it reads.
    OnnxModel.graph_topological_sort(half.graph, is_deterministic=True)
    del half.graph.value_info[:]
    onnx.checker.check_model(half, full_check=True)
    return half


def fp16_spec(model: onnx.ModelProto) -> PrecisionSpec:
    """What the fp16 file of that fp32 graph says of its precision."""
    kept = [KeptLayer(name=name, reason=KEPT_REASON) for name in kept_in_fp32(model)]
    return PrecisionSpec(name="fp16", kept=tuple(kept))


def kept_in_fp32(model: onnx.ModelProto) -> list[str]:
    """Names of the nodes that `to_fp16` leaves in fp32."""
    return [node.name for node in model.graph.node if node.op_type == KEPT_OPERATOR]
