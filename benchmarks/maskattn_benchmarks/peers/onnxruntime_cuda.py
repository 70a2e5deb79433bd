"""ONNX Runtime's CUDA provider: what most people take on a GPU before TensorRT."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from maskattn_edge.contract.errors import EngineError, ModelFileError
from maskattn_edge.contract.model_file import ModelFile
from maskattn_edge.engines import Engine
from maskattn_edge.optional import require

_PROVIDER = "CUDAExecutionProvider"


class OnnxRuntimeCudaEngine(Engine):
    """Runs the file on the first GPU.

    Args:
        file: the model.
        threads: CPU threads; the GPU has no use for them.

    Raises:
        EngineError: the installed ONNX Runtime has no CUDA provider, or it does not load.
        ModelFileError: ONNX Runtime refuses the graph.
    """

    name = "onnxruntime-cuda"

    def __init__(self, file: ModelFile, *, threads: int | None = None) -> None:
        super().__init__(file)
        ort: Any = require("onnxruntime", purpose="the engine onnxruntime-cuda", extra="export")
        if _PROVIDER not in ort.get_available_providers():
            raise EngineError(
                "the installed ONNX Runtime has no CUDA provider: install onnxruntime-gpu in place "
                "of onnxruntime"
            )
        options = ort.SessionOptions()
        options.log_severity_level = 3
        try:
            self._session: Any = ort.InferenceSession(
                file.data, options, providers=[_PROVIDER, "CPUExecutionProvider"]
            )
        except Exception as error:  # its exception types are not public
            reason = str(error).splitlines()[0]
            raise ModelFileError(f"{file.path}: ONNX Runtime refuses it: {reason}") from error
        if self._session.get_providers()[0] != _PROVIDER:  # it falls back without a word
            raise EngineError("ONNX Runtime's CUDA provider does not load: see its requirements")
        self._outputs = [port.name for port in file.outputs]

    @property
    def device(self) -> str:
        """Where it runs."""
        return "GPU 0, ONNX Runtime CUDA"

    def _run(self, image_nhwc: NDArray[np.uint8]) -> dict[str, NDArray[np.generic]]:
        try:
            answers = self._session.run(self._outputs, {"image": image_nhwc})
        except Exception as error:  # its exception types are not public
            raise EngineError(f"ONNX Runtime failed: {str(error).splitlines()[0]}") from error
        return dict(zip(self._outputs, answers, strict=True))

    def close(self) -> None:
        """Free the session."""
        self._session = None
