"""Q/DQ placed by NVIDIA ModelOpt, which knows what TensorRT fuses."""

from __future__ import annotations

import tempfile
import warnings
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import onnx
from numpy.typing import NDArray

from maskattn_edge.optional import require
from maskattn_export.graph import IR_VERSION
from maskattn_export.int8.images import ImageReader

NAME = "NVIDIA ModelOpt"
PACKAGE = "modelopt"

_OPSET = 19  # the least that ModelOpt writes for INT8; model files have 17 to 20


def place(
    model: onnx.ModelProto, images: Sequence[NDArray[np.uint8]], excluded: Sequence[str]
) -> onnx.ModelProto:
    """A Q/DQ graph of the fp32 graph, as `by_onnxruntime.place` gives one.

    Raises:
        MissingDependencyError: ModelOpt is not installed.
    """
    require(PACKAGE, purpose="Q/DQ placed by ModelOpt", extra="modelopt")
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        quantize = require(
            "modelopt.onnx.quantization", purpose="Q/DQ placed by ModelOpt", extra="modelopt"
        ).quantize
        source, target = Path(folder, "fp32.onnx"), Path(folder, "int8.onnx")
        onnx.save(model, source)
        quantize(
            str(source),
            quantize_mode="int8",
            calibration_method="max",
            calibration_data_reader=ImageReader(images),  # its own default is random input
            calibration_eps=["cpu"],
            nodes_to_exclude=list(excluded),
            high_precision_dtype="fp32",
            dq_only=True,  # weights as INT8, not as floats that are quantised at load
            opset=_OPSET,
            output_path=str(target),
            log_level="CRITICAL",
        )
        quantized = onnx.load(target)
    quantized.ir_version = IR_VERSION
    return quantized
