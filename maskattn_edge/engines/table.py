"""Which back ends there are, and how one is chosen."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

from maskattn_edge.contract.errors import (
    EngineError,
    MissingDependencyError,
    ModelFileError,
    UsageError,
)
from maskattn_edge.contract.model_file import ModelFile, read_model_file
from maskattn_edge.engines.engine import Engine

BACKENDS: dict[str, tuple[str, str]] = {
    "tensorrt": ("maskattn_edge.engines.tensorrt", "TensorRTEngine"),
    "openvino": ("maskattn_edge.engines.openvino", "OpenVinoEngine"),
    "onnxruntime": ("maskattn_edge.engines.onnxruntime", "OnnxRuntimeEngine"),
}
"""Back end -> (module, class), best first: the order in which `auto` tries them."""

BUILDS_FIRST = frozenset({"tensorrt"})
"""Back ends that may have to build an engine for minutes, and tell how that goes."""

OnStep = Callable[[str, int, int], None]


def open_engine(
    model: Path | ModelFile,
    *,
    backend: str = "auto",
    threads: int | None = None,
    on_skip: Callable[[str, str], None] | None = None,
    on_step: OnStep | None = None,
    cache: Path | None = None,
) -> Engine:
    """Load a model file on the best back end that loads here, or on the named one.

    Args:
        model: a path or an already read file.
        backend: "auto" or a key of `BACKENDS`.
        threads: CPU threads per frame; None takes all cores.
        on_skip: told (back end, reason) of each that `auto` passed over.
        on_step: told (phase, done, total) where an engine must be built first.
        cache: folder of engines that are built on this device; the user's if None.

    Raises:
        UsageError: `backend` is unknown.
        ModelFileError: the file is not a model, or the back end refuses it.
        MissingDependencyError: the named back end is not installed.
        EngineError: the named back end has no device here, or its engine cannot be built.
    """
    if backend != "auto" and backend not in BACKENDS:
        raise UsageError(f"unknown engine {backend!r}; available: auto, {', '.join(BACKENDS)}")
    file = model if isinstance(model, ModelFile) else read_model_file(model)
    builds = {"on_step": on_step, "cache": cache}
    if backend != "auto":
        return _open(backend, file, threads, builds)
    *better, last = BACKENDS
    for name in better:
        try:
            return _open(name, file, threads, builds)
        except (MissingDependencyError, EngineError, ModelFileError) as error:
            if on_skip is not None:
                on_skip(name, str(error))
    return _open(last, file, threads, builds)


def _open(name: str, file: ModelFile, threads: int | None, builds: dict[str, Any]) -> Engine:
    module, class_name = BACKENDS[name]
    create = cast(Callable[..., Engine], getattr(importlib.import_module(module), class_name))
    return create(file, threads=threads, **(builds if name in BUILDS_FIRST else {}))
