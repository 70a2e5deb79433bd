"""Low-resolution segmentation for small robots: run MaskAttn-UNet models, and others that fit.

>>> import maskattn_edge
>>> with maskattn_edge.open() as model:  # doctest: +SKIP
...     for result in maskattn_edge.stream("0", model):
...         print(result.areas(contours=False))

Importing this package loads no back end: each name is imported when it is first used.
"""

from __future__ import annotations

import importlib
import os
from typing import TYPE_CHECKING

from maskattn_edge._version import __version__

if TYPE_CHECKING:
    from maskattn_edge.contract.errors import MaskAttnError
    from maskattn_edge.contract.model_file import ModelFile, read_model_file
    from maskattn_edge.contract.spec import ModelSpec
    from maskattn_edge.engines import Engine, open_engine
    from maskattn_edge.model import Model, open
    from maskattn_edge.models import default_model
    from maskattn_edge.pipeline import Pipeline, Settings, Summary
    from maskattn_edge.preprocess import fit
    from maskattn_edge.segmentation import Segmentation
    from maskattn_edge.sinks import Outputs, Sink, open_sinks
    from maskattn_edge.sources import Frame, Source, open_source
    from maskattn_edge.streaming import Stream, stream

# ONNX Runtime 1.29 and later tell their maker of each process and model, and keep a number of this
# device for it, unless this is set before they load. A robot tells nobody; who wants to sets 0.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")

__all__ = [
    "Engine",
    "Frame",
    "MaskAttnError",
    "Model",
    "ModelFile",
    "ModelSpec",
    "Outputs",
    "Pipeline",
    "Segmentation",
    "Settings",
    "Sink",
    "Source",
    "Stream",
    "Summary",
    "__version__",
    "default_model",
    "fit",
    "open",
    "open_engine",
    "open_sinks",
    "open_source",
    "read_model_file",
    "stream",
]

_HOMES = {
    "Engine": "engines",
    "Frame": "sources",
    "MaskAttnError": "contract.errors",
    "Model": "model",
    "ModelFile": "contract.model_file",
    "ModelSpec": "contract.spec",
    "Outputs": "sinks",
    "Pipeline": "pipeline",
    "Segmentation": "segmentation",
    "Settings": "pipeline",
    "Sink": "sinks",
    "Source": "sources",
    "Stream": "streaming",
    "Summary": "pipeline",
    "default_model": "models",
    "fit": "preprocess",
    "open": "model",
    "open_engine": "engines",
    "open_sinks": "sinks",
    "open_source": "sources",
    "read_model_file": "contract.model_file",
    "stream": "streaming",
}


def __getattr__(name: str) -> object:
    """Import a public name on first use (PEP 562)."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value: object = getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    """Public names, imported or not."""
    return sorted({*globals(), *__all__})
