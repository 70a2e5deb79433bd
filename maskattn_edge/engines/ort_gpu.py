"""ONNX Runtime on an NVIDIA GPU: what its CUDA and TensorRT providers share.

Input and outputs keep their places in the GPU's memory (I/O binding), so that a frame is two small
copies and one call, and the call can be a CUDA graph.

Source: onnxruntime.ai/docs/execution-providers/CUDA-ExecutionProvider.html
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from contextlib import redirect_stdout
from types import ModuleType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from maskattn_edge.contract.errors import EngineError, MissingDependencyError, ModelFileError
from maskattn_edge.contract.model_file import ModelFile
from maskattn_edge.engines.engine import Engine
from maskattn_edge.engines.gpu import gpu_facts
from maskattn_edge.engines.ort_session import (
    Provider,
    load_onnxruntime,
    one_line,
    open_session,
)

CUDA = ("CUDAExecutionProvider", {"device_id": "0", "arena_extend_strategy": "kSameAsRequested"})
_QUIET = 4  # only what ends the process: providers that do not load are told as our own error


class OnnxRuntimeGpuEngine(Engine):
    """Back ends name their `provider` and say how it is opened.

    Raises:
        EngineError: there is no GPU, or the provider's libraries do not load.
        MissingDependencyError: the installed ONNX Runtime is one without the provider.
        ModelFileError: ONNX Runtime refuses the graph.
    """

    provider: str

    def __init__(self, file: ModelFile) -> None:
        super().__init__(file)
        self._gpu = gpu_facts()  # first: where there is no GPU, nobody misses a package
        self._ort = onnxruntime_with(self.provider, self.name)
        self._how = ""

    @property
    def device(self) -> str:
        """Name of the GPU, and whether a frame is one CUDA graph."""
        return f"{self._gpu.name}, {self._how}"

    def _open(self, options: dict[str, str], graph: dict[str, str]) -> None:
        """Open the session with a CUDA graph, or without where the graph cannot be captured."""
        try:
            self._bind(self._session_with({**options, **graph}))
            self._how = "CUDA graph"
        except ModelFileError as error:
            # Nodes that fall to the CPU cannot be captured; anything else fails again below.
            self._bind(self._session_with(options))
            self._how = f"no CUDA graph ({one_line(error.__cause__ or error)[:120]})"  # type: ignore[arg-type]

    def _session_with(self, options: dict[str, str]) -> Any:  # noqa: ANN401
        session_options = self._ort.SessionOptions()
        session_options.log_severity_level = _QUIET
        session = open_session(
            self._ort, self.file, self.file.data, session_options, self._providers(options)
        )
        if session.get_providers()[0] != self.provider:  # it falls back without an error
            raise EngineError(
                f"ONNX Runtime cannot load its {self.provider}: a library that it needs is "
                "missing or of another version (CUDA, cuDNN, TensorRT): pip install "
                "'onnxruntime-gpu[cuda,cudnn]', or see onnxruntime.ai/docs/execution-providers"
            )
        return session

    def _providers(self, options: dict[str, str]) -> Sequence[Provider]:
        return [(self.provider, options)]

    def _bind(self, session: Any) -> None:  # noqa: ANN401
        """Give input and outputs their places on the GPU, and run once: that captures a graph."""
        size = self.spec.input
        blank = np.zeros((1, size.height, size.width, 3), np.uint8)
        value = self._ort.OrtValue
        self._image = value.ortvalue_from_numpy(blank, "cuda", 0)
        self._answers = {
            port.name: value.ortvalue_from_shape_and_type(
                list(port.shape), np.dtype(port.dtype), "cuda", 0
            )
            for port in self.file.outputs
        }
        self._session, self._binding = session, session.io_binding()
        self._binding.bind_ortvalue_input("image", self._image)
        for name, answer in self._answers.items():
            self._binding.bind_ortvalue_output(name, answer)
        try:
            session.run_with_iobinding(self._binding)
        except Exception as error:  # its exception types are not public
            raise ModelFileError(
                f"{self.file.path}: {self.name} cannot run it: {one_line(error)}"
            ) from error

    def _run(self, image_nhwc: NDArray[np.uint8]) -> dict[str, NDArray[np.generic]]:
        try:
            self._image.update_inplace(np.ascontiguousarray(image_nhwc))
            self._session.run_with_iobinding(self._binding)
            return {name: answer.numpy() for name, answer in self._answers.items()}
        except Exception as error:  # its exception types are not public
            raise EngineError(f"ONNX Runtime failed on the GPU: {one_line(error)}") from error

    def close(self) -> None:
        """Free the session and what lies on the GPU."""
        self._session = self._binding = self._image = None
        self._answers = {}


def onnxruntime_with(provider: str, engine: str) -> ModuleType:
    """ONNX Runtime, if it was built with `provider`.

    Raises:
        MissingDependencyError: it was not, or is not installed.
    """
    ort = load_onnxruntime(f"the engine {engine}")
    if provider not in ort.get_available_providers():
        raise MissingDependencyError(
            f"the engine {engine} needs ONNX Runtime for GPUs, the installed one has no "
            f"{provider}: pip uninstall onnxruntime, then pip install "
            "'onnxruntime-gpu[cuda,cudnn]' (on a Jetson, NVIDIA's wheel)"
        )
    _load_cuda(ort)
    return ort


def _load_cuda(ort: ModuleType) -> None:
    """Load CUDA and cuDNN from pip's packages, if they are there, where no provider looks."""
    load = getattr(ort, "preload_dlls", None)
    if load is not None:
        with redirect_stdout(io.StringIO()):  # it prints what it missed; the provider says so too
            load()
