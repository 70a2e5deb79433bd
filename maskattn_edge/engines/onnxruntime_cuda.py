"""ONNX Runtime with its CUDA provider: for a GPU without TensorRT.

It does not take INT8 files. With ONNX Runtime 1.31 on an H100 (2026-11-24) parts of them fell to
the CPU, `s` took 1.8 ms where fp16 took 0.29, and 81 to 93 % of the labels of noise were those of
the same file on the CPU; of fp16's, 99.98 % and more were. Why is not known; see docs/engines.md.
"""

from __future__ import annotations

from maskattn_edge.contract.errors import EngineError
from maskattn_edge.contract.model_file import ModelFile
from maskattn_edge.engines.ort_gpu import CUDA, OnnxRuntimeGpuEngine


class OnnxRuntimeCudaEngine(OnnxRuntimeGpuEngine):
    """Runs the file with the CUDA provider; a frame is one CUDA graph where all of it is there.

    Args:
        file: the model.
        threads: CPU threads; the GPU has no use for them.

    Raises:
        EngineError: the file is an INT8 one; or as `OnnxRuntimeGpuEngine`.
        MissingDependencyError, ModelFileError: as `OnnxRuntimeGpuEngine`.
    """

    name = "onnxruntime-cuda"
    provider = "CUDAExecutionProvider"

    def __init__(self, file: ModelFile, *, threads: int | None = None) -> None:
        super().__init__(file)
        if file.spec.precision.name == "int8":
            raise EngineError(
                f"{file.path.name}: {self.name} answers otherwise than an INT8 file should: take "
                "the fp16 file, or the engine tensorrt or openvino"
            )
        self._open(CUDA[1], {"enable_cuda_graph": "1"})
