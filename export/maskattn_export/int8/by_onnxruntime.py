"""Q/DQ placed by ONNX Runtime's quantizer, with rules of our own around it."""

from __future__ import annotations

import logging
import tempfile
import warnings
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import onnx
from numpy.typing import NDArray
from onnxruntime.quantization import CalibrationMethod, QuantFormat, QuantType, quantize_static

from maskattn_export.int8.images import ImageReader

NAME = "ONNX Runtime"


def place(
    model: onnx.ModelProto, images: Sequence[NDArray[np.uint8]], excluded: Sequence[str]
) -> onnx.ModelProto:
    """A Q/DQ graph of the fp32 graph: convolutions and what joins them.

    Symmetric INT8 with zero points of 0 and per-channel weights is the form that TensorRT,
    OpenVINO and ONNX Runtime all fuse; biases stay in floating point, as TensorRT wants them.

    Args:
        model: from `to_onnx`.
        images: (H, W, 3) uint8 RGB of the network's size, for the ranges.
        excluded: names of nodes that stay in floating point.
    """
    root = logging.getLogger()
    level = root.level
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        root.setLevel(logging.ERROR)  # it advises a pre-processing step that the graph has had
        source, target = Path(folder, "fp32.onnx"), Path(folder, "int8.onnx")
        onnx.save(model, source)
        try:
            quantize_static(
                source,
                target,
                ImageReader(images),
                quant_format=QuantFormat.QDQ,
                op_types_to_quantize=["Conv", "Relu", "Resize", "Add"],
                nodes_to_exclude=list(excluded),
                per_channel=True,
                activation_type=QuantType.QInt8,
                weight_type=QuantType.QInt8,
                calibrate_method=CalibrationMethod.MinMax,
                extra_options={
                    "ActivationSymmetric": True,
                    "WeightSymmetric": True,
                    "QuantizeBias": False,
                },
            )
        finally:
            root.setLevel(level)
        quantized = onnx.load(target)
    _join_relus(quantized.graph)
    return quantized


def _join_relus(graph: onnx.GraphProto) -> None:
    """Take out the Q/DQ between a convolution and its ReLU: one rounding less, and they fuse."""
    made_by = {output: node for node in graph.node for output in node.output}
    for relu in [node for node in graph.node if node.op_type == "Relu"]:
        dequantize = made_by[relu.input[0]]
        if dequantize.op_type == "DequantizeLinear":
            quantize = made_by[dequantize.input[0]]
            relu.input[0] = quantize.input[0]
            graph.node.remove(quantize)
            graph.node.remove(dequantize)
