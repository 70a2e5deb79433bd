"""OpenVINO on the CPU: about half of ONNX Runtime's time on x86."""

from __future__ import annotations

import os
from typing import Any

import numpy as np
from numpy.typing import NDArray

from maskattn_edge.contract.errors import EngineError, ModelFileError
from maskattn_edge.contract.model_file import ModelFile
from maskattn_edge.engines.engine import Engine
from maskattn_edge.engines.openvino_argmax import replace_argmax
from maskattn_edge.engines.openvino_library import load_openvino
from maskattn_edge.engines.openvino_split import split_convolutions


class OpenVinoEngine(Engine):
    """Runs the file with OpenVINO's CPU plugin, tuned for the latency of one frame.

    Args:
        file: the model.
        threads: CPU threads for one frame; None takes all cores that this process may use.

    Raises:
        MissingDependencyError: OpenVINO is not installed.
        ModelFileError: OpenVINO refuses the graph.
    """

    name = "openvino"

    def __init__(self, file: ModelFile, *, threads: int | None = None) -> None:
        super().__init__(file)
        openvino = load_openvino("the engine openvino")
        self.threads = threads or len(os.sched_getaffinity(0))
        settings = {
            "PERFORMANCE_HINT": "LATENCY",
            "INFERENCE_NUM_THREADS": self.threads,
            # Pinned to cores, a worker waits behind a decoder or sink that is at work on its own.
            "ENABLE_CPU_PINNING": False,
            # The file decides the precision; left alone, it takes bf16 on some processors.
            "INFERENCE_PRECISION_HINT": "f32",
        }
        try:
            core = openvino.Core()
            model = core.read_model(file.data)
            replace_argmax(openvino, model)
            split_convolutions(openvino, model)
            self._request: Any = core.compile_model(model, "CPU", settings).create_infer_request()
            size = file.spec.input
            self._image = np.zeros((1, size.height, size.width, 3), np.uint8)
            # Tensors that stay spare OpenVINO's Python part 0.04 ms a frame.
            self._request.set_input_tensor(openvino.Tensor(self._image, shared_memory=True))
        except Exception as error:  # its exception types are not public
            reason = str(error).strip().splitlines()[-1]
            raise ModelFileError(f"{file.path}: OpenVINO refuses it: {reason}") from error
        self._outputs = [port.name for port in file.outputs]

    @property
    def device(self) -> str:
        """Where it runs."""
        return f"CPU, {self.threads} thread{'s' * (self.threads != 1)}"

    def _run(self, image_nhwc: NDArray[np.uint8]) -> dict[str, NDArray[np.generic]]:
        np.copyto(self._image, image_nhwc)
        try:
            self._request.infer()
            return {name: np.array(self._request.get_tensor(name).data) for name in self._outputs}
        except Exception as error:  # its exception types are not public
            raise EngineError(f"OpenVINO failed: {str(error).splitlines()[0]}") from error

    def close(self) -> None:
        """Free the compiled model."""
        self._request = None
