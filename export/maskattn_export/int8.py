"""The INT8 file: explicit Q/DQ around the convolutions, ranges from real images."""

from __future__ import annotations

import logging
import re
import tempfile
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import onnx
from numpy.typing import NDArray
from onnxruntime.quantization import (
    CalibrationDataReader,
    CalibrationMethod,
    QuantFormat,
    QuantType,
    quantize_static,
)

from maskattn_edge.contract.errors import DataError
from maskattn_edge.contract.spec import KeptLayer
from maskattn_export.graph import GROUPING
from maskattn_export.ranges import tighten_before_clips

KEPT_REASON = "attention is short of precision in INT8 and no faster"
HEAD_REASON = "offsets to an object's centre are finer than INT8 can tell"
GROUPING_REASON = "it compares places and counts cells"
METHOD = "explicit Q/DQ, symmetric, weights per channel, activations per tensor, min-max ranges"

_IN_ATTENTION = re.compile(r"attention\d+\.(?!\d)")
"""A node of an attention block; `attention3.0.` is of a convolution in its place."""

_OBJECT_HEAD = "object_head"

MIN_IMAGES = 8
"""Fewer images than this say too little about the ranges."""


class _Images(CalibrationDataReader):  # type: ignore[misc]
    def __init__(self, images: Sequence[NDArray[np.uint8]]) -> None:
        self._left: Iterator[NDArray[np.uint8]] = iter(images)

    def get_next(self) -> dict[str, NDArray[np.uint8]] | None:
        image = next(self._left, None)
        return None if image is None else {"image": image[None]}


def to_int8(model: onnx.ModelProto, images: Sequence[NDArray[np.uint8]]) -> onnx.ModelProto:
    """Quantise convolutions and what joins them in the fp32 graph; attention stays as it is.

    Symmetric INT8 with zero points of 0 and per-channel weights is the form that TensorRT,
    OpenVINO and ONNX Runtime all fuse; biases stay in floating point, as TensorRT wants them.

    Args:
        model: from `to_onnx`.
        images: real images (H, W, 3) uint8 RGB of the network's size, at least `MIN_IMAGES`.

    Raises:
        DataError: too few images; ranges are never made up.
    """
    if len(images) < MIN_IMAGES:
        raise DataError(
            f"INT8 needs at least {MIN_IMAGES} real images for calibration, got {len(images)}: "
            "give a folder of images with --calibration DIR"
        )
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
                _Images(images),
                quant_format=QuantFormat.QDQ,
                op_types_to_quantize=["Conv", "Relu", "Resize", "Add"],
                nodes_to_exclude=_excluded(model),
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
    tighten_before_clips(quantized.graph)
    del quantized.metadata_props[:]
    del quantized.graph.value_info[:]
    onnx.checker.check_model(quantized, full_check=True)
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


def _excluded(model: onnx.ModelProto) -> list[str]:
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
    """What stays in floating point, and why."""
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
        if node.op_type in ("Conv", "Gemm", "MatMul")
        and _IN_ATTENTION.match(node.name)
        and weights.intersection(node.input)
    ]
