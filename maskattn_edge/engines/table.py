"""Which back ends there are, and how one is chosen."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple, cast

from maskattn_edge.contract.errors import (
    EngineError,
    MissingDependencyError,
    ModelFileError,
    UsageError,
)
from maskattn_edge.contract.model_file import ModelFile, read_model_file
from maskattn_edge.engines.engine import Engine
from maskattn_edge.engines.fastest import open_fastest


class Backend(NamedTuple):
    """Where a back end lives, which package it needs, and what it takes beside `threads`.

    `builds`: it may have to build an engine for minutes, tells how that goes, and keeps it.
    """

    module: str
    class_name: str
    package: str
    builds: bool = False


BACKENDS = {
    "tensorrt": Backend(
        "maskattn_edge.engines.tensorrt", "TensorRTEngine", "tensorrt", builds=True
    ),
    "onnxruntime-tensorrt": Backend(
        "maskattn_edge.engines.onnxruntime_tensorrt",
        "OnnxRuntimeTensorRTEngine",
        "onnxruntime",
        builds=True,
    ),
    "onnxruntime-cuda": Backend(
        "maskattn_edge.engines.onnxruntime_cuda", "OnnxRuntimeCudaEngine", "onnxruntime"
    ),
    "openvino": Backend("maskattn_edge.engines.openvino", "OpenVinoEngine", "openvino"),
    "onnxruntime": Backend("maskattn_edge.engines.onnxruntime", "OnnxRuntimeEngine", "onnxruntime"),
}
"""Back ends by name, best first: the order in which `auto` tries them."""

CHOICES = ("auto", "fastest", *BACKENDS)
"""What `--engine` takes."""

OnStep = Callable[[str, int, int], None]


def open_engine(
    model: Path | ModelFile,
    *,
    backend: str = "auto",
    threads: int | None = None,
    on_skip: Callable[[str, str], None] | None = None,
    on_step: OnStep | None = None,
    on_note: Callable[[str], None] | None = None,
    cache: Path | None = None,
) -> Engine:
    """Load a model file on the best back end that loads here, on the fastest, or on the named one.

    Args:
        model: a path or an already read file.
        backend: "auto" takes the first of `BACKENDS` that loads; "fastest" measures all that load
            for two seconds together and remembers the winner; else a key of `BACKENDS`.
        threads: CPU threads per frame; None takes all cores.
        on_skip: told (back end, reason) of each that "auto" or "fastest" passed over.
        on_step: told (phase, done, total) where an engine must be built first.
        on_note: told in one line what "fastest" measured.
        cache: folder of what is built or found out on this device; the user's if None.

    Raises:
        UsageError: `backend` is unknown.
        ModelFileError: the file is not a model, or the back end refuses it.
        MissingDependencyError: the named back end is not installed.
        EngineError: the named back end has no device here, or its engine cannot be built.
    """
    if backend not in CHOICES:
        raise UsageError(f"unknown engine {backend!r}; available: {', '.join(CHOICES)}")
    file = model if isinstance(model, ModelFile) else read_model_file(model)

    def open_one(name: str) -> Engine:
        return _open(name, file, threads, {"on_step": on_step, "cache": cache})

    skip = on_skip or (lambda name, reason: None)
    if backend == "fastest":
        return open_fastest(
            file,
            {name: partial(open_one, name) for name in BACKENDS},
            threads=threads,
            cache=cache,
            on_skip=skip,
            on_note=on_note or (lambda line: None),
        )
    return _first_that_loads(open_one, skip) if backend == "auto" else open_one(backend)


def _first_that_loads(
    open_one: Callable[[str], Engine], on_skip: Callable[[str, str], None]
) -> Engine:
    *better, last = BACKENDS
    for name in better:
        try:
            return open_one(name)
        except (MissingDependencyError, EngineError, ModelFileError) as error:
            on_skip(name, str(error))
    return open_one(last)


def _open(name: str, file: ModelFile, threads: int | None, builds: dict[str, Any]) -> Engine:
    entry = BACKENDS[name]
    module = importlib.import_module(entry.module)
    create = cast(Callable[..., Engine], getattr(module, entry.class_name))
    return create(file, threads=threads, **(builds if entry.builds else {}))
