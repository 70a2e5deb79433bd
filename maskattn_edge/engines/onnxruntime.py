"""ONNX Runtime on the CPU: the back end that runs everywhere."""

from __future__ import annotations

import os

import numpy as np
from numpy.typing import NDArray

from maskattn_edge.contract.errors import EngineError
from maskattn_edge.contract.model_file import ModelFile
from maskattn_edge.engines.engine import Engine
from maskattn_edge.engines.ort_session import load_onnxruntime, one_line, open_session
from maskattn_edge.engines.quantization import unsigned_after_relu


class OnnxRuntimeEngine(Engine):
    """Runs the file with ONNX Runtime's CPU provider.

    Args:
        file: the model.
        threads: CPU threads for one frame; None takes all cores that this process may use.

    Raises:
        ModelFileError: ONNX Runtime refuses the graph.
    """

    name = "onnxruntime"

    def __init__(self, file: ModelFile, *, threads: int | None = None) -> None:
        super().__init__(file)
        ort = load_onnxruntime("running a model on the CPU")
        self.threads = threads or len(os.sched_getaffinity(0))
        options = ort.SessionOptions()
        options.intra_op_num_threads = self.threads
        options.inter_op_num_threads = 1
        options.log_severity_level = 3
        # Workers spin within a frame, which saves a fifth of its time, but not between frames,
        # where they would take a core from capture and scaling.
        options.add_session_config_entry("session.force_spinning_stop", "1")
        data = unsigned_after_relu(file.data)
        self._session = open_session(ort, file, data, options, ["CPUExecutionProvider"])
        self._outputs = [port.name for port in file.outputs]

    @property
    def device(self) -> str:
        """Where it runs."""
        return f"CPU, {self.threads} thread{'s' * (self.threads != 1)}"

    def _run(self, image_nhwc: NDArray[np.uint8]) -> dict[str, NDArray[np.generic]]:
        try:
            answers = self._session.run(self._outputs, {"image": image_nhwc})
        except Exception as error:  # its exception types are not public
            raise EngineError(f"ONNX Runtime failed: {one_line(error)}") from error
        return dict(zip(self._outputs, answers, strict=True))

    def close(self) -> None:
        """Free the session."""
        self._session = None
