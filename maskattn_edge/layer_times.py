"""Where a frame's time goes on this machine: ONNX Runtime's own profile, layer by layer."""

from __future__ import annotations

import json
import os
import tempfile
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from maskattn_edge.contract.errors import EngineError, ModelFileError
from maskattn_edge.contract.model_file import ModelFile
from maskattn_edge.engines.quantization import unsigned_after_relu
from maskattn_edge.optional import require

_KERNEL = "_kernel_time"


@dataclass(frozen=True, kw_only=True)
class LayerTime:
    """One layer after a back end's fusions: median milliseconds of a frame.

    `operator` is its kind; empty where its name says it.
    """

    name: str
    operator: str
    frame_ms: float


def layer_times(
    file: ModelFile, *, frames: int = 20, warmup: int = 5, threads: int | None = None
) -> list[LayerTime]:
    """Times of each layer on the CPU, in the order in which they run.

    The image is the first sample in the file, or grey: times hardly depend on it. Profiling costs
    some microseconds a layer, so that the sum is more than a frame takes.

    Args:
        file: the model.
        frames: that are measured.
        warmup: frames before them.
        threads: of one frame; None takes all cores.

    Raises:
        ModelFileError: ONNX Runtime refuses the graph.
        EngineError: it fails, or its profile cannot be read.
    """
    ort = require("onnxruntime", purpose="timing layers", extra="export")
    image = np.full((1, file.spec.input.height, file.spec.input.width, 3), 128, np.uint8)
    options = ort.SessionOptions()
    options.intra_op_num_threads = threads or len(os.sched_getaffinity(0))
    options.log_severity_level = 3
    options.enable_profiling = True
    with tempfile.TemporaryDirectory() as folder:
        options.profile_file_prefix = str(Path(folder, "profile"))
        try:
            session: Any = ort.InferenceSession(
                unsigned_after_relu(file.data), options, providers=["CPUExecutionProvider"]
            )
        except Exception as error:  # its exception types are not public
            reason = str(error).splitlines()[0]
            raise ModelFileError(f"{file.path}: ONNX Runtime refuses it: {reason}") from error
        try:
            for _ in range(warmup + frames):
                session.run(None, {"image": image})
            events = json.loads(Path(session.end_profiling()).read_text())
        except Exception as error:  # its exception types are not public
            raise EngineError(f"ONNX Runtime failed: {str(error).splitlines()[0]}") from error
    return _layers(events, frames)


def _layers(events: list[dict[str, Any]], frames: int) -> list[LayerTime]:
    """Medians of the last `frames` events of each kernel."""
    times: dict[tuple[str, str], list[float]] = defaultdict(list)
    for event in events:
        name = str(event.get("name", ""))
        if event.get("cat") == "Node" and name.endswith(_KERNEL):
            operator = str(event.get("args", {}).get("op_name", ""))
            times[name.removesuffix(_KERNEL), operator].append(float(event["dur"]) / 1e3)
    return [
        LayerTime(name=name, operator=operator, frame_ms=float(np.median(kept[-frames:])))
        for (name, operator), kept in times.items()
    ]
