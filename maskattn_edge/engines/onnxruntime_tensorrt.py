"""ONNX Runtime with its TensorRT provider, whose cache has a folder for each fingerprint.

The provider takes a cached engine whatever it was built from or for: onnxruntime.ai/docs/
execution-providers/TensorRT-ExecutionProvider.html. So the folder's name changes with the model,
TensorRT, ONNX Runtime, the GPU and its driver, and a new engine is compared with the answers in the
model file before its folder is marked as good.
"""

from __future__ import annotations

import ctypes
import hashlib
import importlib
import json
from collections.abc import Callable, Sequence
from pathlib import Path

from maskattn_edge.contract.atomic import write_text
from maskattn_edge.contract.errors import EngineError, MissingDependencyError
from maskattn_edge.contract.model_file import ModelFile
from maskattn_edge.engines.gpu import DeviceFacts
from maskattn_edge.engines.ort_gpu import CUDA, OnnxRuntimeGpuEngine
from maskattn_edge.engines.ort_session import Provider

_LIBRARIES = tuple(f"libnvinfer.so.{major}" for major in (11, 10))
_VERIFIED = "verified.json"
_PRECISION = {"fp32": {}, "fp16": {"trt_fp16_enable": "1"}, "int8": {"trt_int8_enable": "1"}}


class OnnxRuntimeTensorRTEngine(OnnxRuntimeGpuEngine):
    """Runs the file with the TensorRT provider; the first time it builds an engine for minutes.

    Args:
        file: the model.
        threads: CPU threads; the GPU has no use for them.
        cache: where engines lie, each in a folder of its own; the user's cache folder if None.
        on_step: told that an engine is built, (phase, done, total).

    Raises:
        EngineVerificationError: a new engine's answers are not the model's.
        EngineError, MissingDependencyError, ModelFileError: as `OnnxRuntimeGpuEngine`.
    """

    name = "onnxruntime-tensorrt"
    provider = "TensorrtExecutionProvider"

    def __init__(
        self,
        file: ModelFile,
        *,
        threads: int | None = None,
        cache: Path | None = None,
        on_step: Callable[[str, int, int], None] | None = None,
    ) -> None:
        super().__init__(file)
        facts = fingerprint(file, tensorrt_version(), self._ort.__version__, self._gpu)
        folder = cache_folder(cache, facts)
        known = (folder / _VERIFIED).is_file()
        if not known and on_step is not None:
            on_step("building this device's engine in ONNX Runtime, once", 0, 0)
        self._prepare(folder)
        options = {**provider_options(folder), **_PRECISION[file.spec.precision.name]}
        self._open(options, {"trt_cuda_graph_enable": "1"})
        if not known:
            self._verify(folder / _VERIFIED, facts)

    def _providers(self, options: dict[str, str]) -> Sequence[Provider]:
        return [(self.provider, options), CUDA]  # what TensorRT does not take, CUDA does

    def _prepare(self, folder: Path) -> None:
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise _cannot_write(folder, error) from error

    def _verify(self, marker: Path, facts: dict[str, str]) -> None:
        """Compare the engine with the answers in the file; mark its folder, or close it."""
        from maskattn_edge.engines.tensorrt.verification import check, compare, reference_of

        try:
            check(compare(reference_of(self.file), self), self.spec.precision.name)
            write_text(marker, json.dumps(facts, indent=2) + "\n")
        except OSError as error:
            self.close()
            raise _cannot_write(marker, error) from error
        except BaseException:
            self.close()
            raise


def fingerprint(
    file: ModelFile, tensorrt: str, onnxruntime: str, device: DeviceFacts
) -> dict[str, str]:
    """All that decides whether a cached engine may be used."""
    return {
        "model_sha256": file.sha256,
        "tensorrt": tensorrt,
        "onnxruntime": onnxruntime,
        "gpu": device.name,
        "compute_capability": device.sm,
        "driver": device.driver,
    }


def cache_folder(cache: Path | None, facts: dict[str, str]) -> Path:
    """The folder of the engine of exactly that fingerprint."""
    base = cache or Path.home() / ".cache" / "maskattn-edge" / "engines"
    key = hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()[:32]
    return base / "onnxruntime" / key


def provider_options(folder: Path) -> dict[str, str]:
    """What the provider is told: it keeps engine and timings in `folder`."""
    return {
        "device_id": "0",
        "trt_engine_cache_enable": "1",
        "trt_engine_cache_path": str(folder),
        "trt_timing_cache_enable": "1",
        "trt_timing_cache_path": str(folder),
        "trt_max_workspace_size": str(256 << 20),
    }


def tensorrt_version() -> str:
    """Of the library that the provider will load.

    Raises:
        MissingDependencyError: there is none.
    """
    try:
        return str(importlib.import_module("tensorrt").__version__)  # its wheel brings the library
    except (ImportError, OSError, AttributeError):
        pass
    for name in _LIBRARIES:
        try:
            return str(int(ctypes.CDLL(name).getInferLibVersion()))
        except OSError:
            continue
    raise MissingDependencyError(
        f"the engine onnxruntime-tensorrt needs TensorRT 10 or later ({' or '.join(_LIBRARIES)}): "
        "on a Jetson it comes with JetPack, on a PC see docs.nvidia.com/deeplearning/tensorrt"
    )


def _cannot_write(path: Path, error: OSError) -> EngineError:
    return EngineError(
        f"{path}: cannot keep the engine ({error.strerror or error}): free some space, or choose "
        "another folder with --cache"
    )
