"""OpenVINO's Python package, without what a robot does not need of it."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType

from maskattn_edge.optional import require

_CONVERTER = "openvino.tools.ovc"


def load_openvino(purpose: str) -> ModuleType:
    """The module `openvino`, whose converter of models is imported on its first use.

    The converter, with its telemetry and their web clients, takes two thirds of the time of
    `import openvino`, which does without it where it is missing.

    Raises:
        MissingDependencyError: OpenVINO is not installed.
    """
    if (loaded := sys.modules.get("openvino")) is not None:
        return loaded
    with _without(_CONVERTER):
        openvino = require("openvino", purpose=purpose, extra="openvino")
    if not hasattr(openvino, "convert_model"):
        openvino.convert_model = _convert_model  # type: ignore[attr-defined]
    return openvino


def _convert_model(*arguments: object, **named: object) -> object:
    """Stands in for `openvino.convert_model`, for a program that needs it too."""
    openvino = sys.modules["openvino"]
    openvino.convert_model = importlib.import_module(_CONVERTER).convert_model  # type: ignore[attr-defined]
    return openvino.convert_model(*arguments, **named)


@contextmanager
def _without(module: str) -> Iterator[None]:
    """Within the block, importing `module` fails as if it were not installed."""
    if module in sys.modules:
        yield
        return
    sys.modules[module] = None  # type: ignore[assignment]
    try:
        yield
    finally:
        del sys.modules[module]
