"""The engines that a benchmark can take: those that `run` has, and peers to compare them with."""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Callable
from typing import cast

from maskattn_edge.contract.errors import UsageError
from maskattn_edge.contract.model_file import ModelFile
from maskattn_edge.engines import BACKENDS, Engine, open_engine

PEER_ENGINES: dict[str, tuple[str, str]] = {
    "pytorch": ("maskattn_benchmarks.peers.pytorch", "PyTorchEngine"),
    "torch-compile": ("maskattn_benchmarks.peers.pytorch", "CompiledEngine"),
    "tensorrt-bare": ("maskattn_benchmarks.peers.tensorrt_bare", "BareTensorRTEngine"),
}
"""Peer -> (module, class); not for robots, so that `run` does not know them."""

_PROVIDERS = {
    "onnxruntime-cuda": "CUDAExecutionProvider",
    "onnxruntime-tensorrt": "TensorrtExecutionProvider",
}

ENGINES = (*BACKENDS, *PEER_ENGINES)


def check_engines(names: list[str]) -> None:
    """Raises UsageError for a name that is no engine."""
    unknown = [name for name in names if name not in ENGINES]
    if unknown:
        raise UsageError(f"unknown engine {unknown[0]!r}; available: {', '.join(ENGINES)}")


def open_candidate(file: ModelFile, name: str, *, threads: int | None = None) -> Engine:
    """Load a model on an engine of `ENGINES`.

    Raises:
        UsageError: the name is unknown.
        ModelFileError, MissingDependencyError, EngineError: as `open_engine`.
    """
    check_engines([name])
    if name in BACKENDS:
        return open_engine(file, backend=name, threads=threads)
    module, class_name = PEER_ENGINES[name]
    create = getattr(importlib.import_module(module), class_name)
    return cast(Callable[..., Engine], create)(file, threads=threads)


def scoring_engine(name: str) -> str | None:
    """The engine of `run` whose labels are an engine's of `ENGINES`.

    PyTorch's loops are peers in speed alone: None, so that the best engine which loads scores
    their model, and the report names it.
    """
    if name in BACKENDS:
        return name
    return "tensorrt" if name == "tensorrt-bare" else None


def installed_engines() -> list[str]:
    """Back ends of `run` whose package is installed, best first.

    Those of ONNX Runtime for GPUs count where the installed one was built for them.
    """
    return [name for name, entry in BACKENDS.items() if _installed(name, entry.package)]


def _installed(name: str, package: str) -> bool:
    if importlib.util.find_spec(package) is None:
        return False
    if name not in _PROVIDERS:
        return True
    ort = importlib.import_module(package)
    return _PROVIDERS[name] in ort.get_available_providers()
