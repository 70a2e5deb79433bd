"""TensorRT's Python module: found, or the reason in one line; what its log said is kept."""

from __future__ import annotations

import importlib
from types import ModuleType
from typing import Any

from maskattn_edge.contract.errors import MissingDependencyError

_HINT = (
    "on a Jetson it comes with JetPack (apt install tensorrt; a virtual environment needs "
    "--system-site-packages), on a PC see docs.nvidia.com/deeplearning/tensorrt"
)


def load_tensorrt() -> ModuleType:
    """The module `tensorrt`, 10 or later.

    Raises:
        MissingDependencyError: it is not installed, does not load, or is older.
    """
    try:
        trt = importlib.import_module("tensorrt")
        version = str(trt.__version__)
    except (ImportError, OSError, AttributeError) as error:
        # Its wheels fail in many ways where a library is missing; each is "not there" for us.
        reason = (str(error).splitlines() or [""])[0]
        raise MissingDependencyError(
            f"the engine tensorrt needs TensorRT, which does not load ({reason}): {_HINT}"
        ) from error
    if int(version.split(".")[0]) < 10:
        raise MissingDependencyError(
            f"the engine tensorrt needs TensorRT 10 or later, {version} is installed: install "
            "JetPack 6 or later"
        )
    return trt


def collecting_logger(trt: ModuleType) -> Any:  # noqa: ANN401 - a class made at run time
    """A logger of that TensorRT that prints nothing: `errors` and `lines` keep what it said."""

    class Collected(trt.ILogger):  # type: ignore[misc,name-defined]
        def __init__(self) -> None:
            super().__init__()
            self.errors: list[str] = []
            self.lines: list[str] = []

        def log(self, severity: Any, msg: str) -> None:  # noqa: ANN401
            if severity in (trt.ILogger.Severity.INTERNAL_ERROR, trt.ILogger.Severity.ERROR):
                self.errors.append(msg)
            elif severity in (trt.ILogger.Severity.WARNING, trt.ILogger.Severity.INFO):
                self.lines.append(msg)

    return Collected()
