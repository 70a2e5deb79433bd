"""The fp16 file: the fp32 graph with every tensor between input and labels in half precision."""

from __future__ import annotations

import warnings

import onnx
from onnxruntime.transformers.float16 import convert_float_to_float16


def to_fp16(model: onnx.ModelProto) -> onnx.ModelProto:
    """A copy of the fp32 graph in fp16; image and labels stay uint8.

    ArgMax compares logits that fp16 can make equal, so that a few pixels between two classes
    differ from fp32. Nothing else needs fp32 here: there is no LayerNorm, and the softmax runs
    over at most a few hundred keys.
    """
    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # constants that fp16 rounds to zero; verified afterwards
        half: onnx.ModelProto = convert_float_to_float16(
            copy, keep_io_types=False, disable_shape_infer=False
        )
    for node in half.graph.node:  # the image's Cast aimed at fp32
        if node.op_type == "Cast" and node.input[0] == "image":
            for attribute in node.attribute:
                if attribute.name == "to":
                    attribute.i = onnx.TensorProto.FLOAT16
    del half.graph.value_info[:]
    onnx.checker.check_model(half, full_check=True)
    return half
