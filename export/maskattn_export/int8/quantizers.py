"""Who places Q/DQ: ModelOpt where it is installed, else ONNX Runtime with our rules."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Sequence

import numpy as np
import onnx
from numpy.typing import NDArray

from maskattn_edge.contract.errors import DataError, UsageError
from maskattn_export.int8 import by_modelopt, by_onnxruntime
from maskattn_export.int8.clips import tighten_before_clips
from maskattn_export.int8.fusion import fuse_for_tensorrt
from maskattn_export.int8.kept import kept_by_rule
from maskattn_export.settings import Quantizer

Place = Callable[[onnx.ModelProto, Sequence[NDArray[np.uint8]], Sequence[str]], onnx.ModelProto]

PLACEMENTS: dict[Quantizer, tuple[str, Place]] = {
    "modelopt": (by_modelopt.NAME, by_modelopt.place),
    "onnxruntime": (by_onnxruntime.NAME, by_onnxruntime.place),
}
"""Name as an option takes it -> (name for people, placement)."""

MIN_IMAGES = 8
"""Fewer images than this say too little about the ranges."""


def default_quantizer() -> Quantizer:
    """ModelOpt if it is installed: its placement is made for TensorRT."""
    found = importlib.util.find_spec(by_modelopt.PACKAGE) is not None
    return "modelopt" if found else "onnxruntime"


def place(
    model: onnx.ModelProto, images: Sequence[NDArray[np.uint8]], quantizer: Quantizer
) -> onnx.ModelProto:
    """The fp32 graph with Q/DQ; attention and the answer stay as they are.

    Where pairs stand does not depend on the images, so a few of them do; `with_ranges` then sets
    the ranges from all.

    Args:
        model: from `to_onnx`.
        images: real images (H, W, 3) uint8 RGB of the network's size, at least `MIN_IMAGES`.
        quantizer: a key of `PLACEMENTS`.

    Raises:
        DataError: too few images; ranges are never made up.
        UsageError: `quantizer` is unknown.
        MissingDependencyError: it is not installed.
    """
    if quantizer not in PLACEMENTS:
        raise UsageError(f"unknown quantizer {quantizer!r}; available: {', '.join(PLACEMENTS)}")
    if len(images) < MIN_IMAGES:
        raise DataError(
            f"INT8 needs at least {MIN_IMAGES} real images for calibration, got {len(images)}: "
            "give a folder of images with --calibration DIR"
        )
    few = images[:: len(images) // MIN_IMAGES][:MIN_IMAGES]
    kept = kept_by_rule(model)
    placed = PLACEMENTS[quantizer][1](model, few, kept)
    fuse_for_tensorrt(placed.graph, kept)
    return finished(placed)


def finished(model: onnx.ModelProto) -> onnx.ModelProto:
    """`model`, changed in place: ranges cut at ReLU6, without notes, and checked."""
    tighten_before_clips(model.graph)
    del model.metadata_props[:]
    del model.graph.value_info[:]
    model.graph.doc_string = model.doc_string = ""
    onnx.checker.check_model(model, full_check=True)
    return model
