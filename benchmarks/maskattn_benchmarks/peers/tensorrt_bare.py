"""TensorRT in a bare loop, as `trtexec` times it: copy in, enqueue, copy out, wait; no CUDA graph.

The plan is that of the engine `tensorrt`, so that the difference is what our way of running costs
or saves.
"""

from __future__ import annotations

from maskattn_edge.contract.model_file import ModelFile
from maskattn_edge.engines.tensorrt import (
    EngineCache,
    PlanEngine,
    ready_engine,
    this_machine,
)


class BareTensorRTEngine(PlanEngine):
    """The model's plan on this device, enqueued frame by frame.

    Args:
        file: the model.
        threads: CPU threads; the GPU has no use for them.

    Raises:
        MissingDependencyError, ModelFileError, EngineError: as the engine `tensorrt`.
    """

    name = "tensorrt-bare"

    def __init__(self, file: ModelFile, *, threads: int | None = None) -> None:
        found = ready_engine(file, EngineCache(None), this_machine())
        dla = found.sidecar.fingerprint.options.dla
        super().__init__(file, found.plan, graph=False, dla=dla)
