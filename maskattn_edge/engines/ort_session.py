"""ONNX Runtime's session, opened from memory, with errors in one line."""

from __future__ import annotations

from collections.abc import Sequence
from types import ModuleType
from typing import Any

from maskattn_edge.contract.errors import ModelFileError
from maskattn_edge.contract.model_file import ModelFile
from maskattn_edge.optional import require

Provider = str | tuple[str, dict[str, str]]


def load_onnxruntime(purpose: str) -> ModuleType:
    """The module `onnxruntime`. Raises MissingDependencyError."""
    return require("onnxruntime", purpose=purpose, extra="export")


def open_session(
    ort: ModuleType,
    file: ModelFile,
    data: bytes,
    options: Any,  # noqa: ANN401 - the package has no types
    providers: Sequence[Provider],
) -> Any:  # noqa: ANN401
    """A session of `data`, which is the file's graph, maybe changed in memory.

    From memory, not by path: the bytes were validated, and no path in them is followed.

    Raises:
        ModelFileError: ONNX Runtime refuses the graph.
    """
    try:
        return ort.InferenceSession(data, options, providers=list(providers))
    except Exception as error:  # its exception types are not public
        raise ModelFileError(f"{file.path}: ONNX Runtime refuses it: {one_line(error)}") from error


def one_line(error: Exception) -> str:
    """What the library said, without what follows."""
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
