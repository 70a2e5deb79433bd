"""ONNX Runtime with its CUDA provider: for a GPU without TensorRT."""

from __future__ import annotations

from maskattn_edge.contract.model_file import ModelFile
from maskattn_edge.engines.ort_gpu import CUDA, OnnxRuntimeGpuEngine


class OnnxRuntimeCudaEngine(OnnxRuntimeGpuEngine):
    """Runs the file with the CUDA provider; a frame is one CUDA graph where all of it is there.

    Args:
        file: the model.
        threads: CPU threads; the GPU has no use for them.

    Raises:
        EngineError, MissingDependencyError, ModelFileError: as `OnnxRuntimeGpuEngine`.
    """

    name = "onnxruntime-cuda"
    provider = "CUDAExecutionProvider"

    def __init__(self, file: ModelFile, *, threads: int | None = None) -> None:
        super().__init__(file)
        self._open(CUDA[1], {"enable_cuda_graph": "1"})
