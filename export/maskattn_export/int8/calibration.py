"""Ranges of a graph's tensors over real images: one histogram each, for every calibration."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import onnx
import onnxruntime
from numpy.typing import NDArray
from onnx import numpy_helper

from maskattn_export.int8.qdq import quantized_tensors
from maskattn_export.int8.thresholds import BINS, METHODS, Histogram, Method

_SMALLEST = 2.0**-14  # the least that fp16 holds exactly; what is always zero stays so at any scale
_TINY = 1e-6  # stands for the largest magnitude of what is always zero


def observe(
    model: onnx.ModelProto, tensors: Sequence[str], images: Sequence[NDArray[np.uint8]]
) -> dict[str, Histogram]:
    """Histograms of the named tensors, on ONNX Runtime's CPU provider, an image at a time.

    Each image is run twice, once for the largest magnitude and once for the counts, so that
    memory does not grow with the images.

    Args:
        model: in floating point.
        tensors: names of float tensors in it.
        images: (H, W, 3) uint8 RGB of the network's size.
    """
    session = _session(model, tensors)
    most = dict.fromkeys(tensors, 0.0)
    for image in images:
        for name, value in zip(tensors, _run(session, image), strict=True):
            most[name] = max(most[name], float(np.abs(value).max(initial=0)))
    counts = {name: np.zeros(BINS, np.int64) for name in tensors}
    for image in images:
        for name, value in zip(tensors, _run(session, image), strict=True):
            place = np.abs(value).ravel() * ((BINS - 1e-3) / max(most[name], _TINY))
            counts[name] += np.bincount(place.astype(np.int64).clip(max=BINS - 1), minlength=BINS)
    return {name: Histogram(counts[name], most[name]) for name in tensors}


def with_ranges(
    placed: onnx.ModelProto, histograms: Mapping[str, Histogram], method: Method
) -> onnx.ModelProto:
    """A copy of a Q/DQ graph whose activations have the ranges of one calibration.

    Tensors that share a scale get the widest of their ranges. Scales are numbers that fp16 holds,
    so that they are the same at the borders of what computes in fp16.
    """
    model = onnx.ModelProto()
    model.CopyFrom(placed)
    threshold = METHODS[method]
    widest: dict[str, float] = {}
    for scale, tensors in quantized_tensors(model.graph).items():
        widest[scale] = max(threshold(histograms[name]) for name in tensors)
    for initializer in model.graph.initializer:
        if initializer.name in widest:
            former = numpy_helper.to_array(initializer)
            scale = np.float16(max(widest[initializer.name] / 127, _SMALLEST))
            value = np.full_like(former, scale)
            initializer.CopyFrom(numpy_helper.from_array(value, initializer.name))
    return model


def _session(model: onnx.ModelProto, tensors: Sequence[str]) -> onnxruntime.InferenceSession:
    watched = onnx.ModelProto()
    watched.CopyFrom(model)
    del watched.graph.output[:]
    watched.graph.output.extend(
        onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, None) for name in tensors
    )
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(
        watched.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )


def _run(
    session: onnxruntime.InferenceSession, image: NDArray[np.uint8]
) -> list[NDArray[np.float32]]:
    values: list[NDArray[np.float32]] = session.run(None, {"image": image[None]})
    return values
