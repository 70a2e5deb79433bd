"""Low-resolution segmentation for small robots: run MaskAttn-UNet models, and others that fit.

>>> from pathlib import Path
>>> from maskattn_edge import Pipeline, open_engine, open_source
>>> with open_engine(Path("model.onnx")) as engine:  # doctest: +SKIP
...     print(Pipeline(open_source("0"), engine).run().to_json())

Importing this package loads no back end: each name is imported when it is first used.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

from maskattn_edge._version import __version__

if TYPE_CHECKING:
    from maskattn_edge.contract.errors import MaskAttnError
    from maskattn_edge.contract.model_file import ModelFile, read_model_file
    from maskattn_edge.contract.spec import ModelSpec
    from maskattn_edge.engines import Engine, open_engine
    from maskattn_edge.models import default_model
    from maskattn_edge.pipeline import Pipeline, Settings, Summary
    from maskattn_edge.preprocess import fit
    from maskattn_edge.segmentation import Segmentation
    from maskattn_edge.sinks import Outputs, Sink, open_sinks
    from maskattn_edge.sources import Frame, Source, open_source

__all__ = [
    "Engine",
    "Frame",
    "MaskAttnError",
    "ModelFile",
    "ModelSpec",
    "Outputs",
    "Pipeline",
    "Segmentation",
    "Settings",
    "Sink",
    "Source",
    "Summary",
    "__version__",
    "default_model",
    "fit",
    "open_engine",
    "open_sinks",
    "open_source",
    "read_model_file",
]

_HOMES = {
    "Engine": "engines",
    "Frame": "sources",
    "MaskAttnError": "contract.errors",
    "ModelFile": "contract.model_file",
    "ModelSpec": "contract.spec",
    "Outputs": "sinks",
    "Pipeline": "pipeline",
    "Segmentation": "segmentation",
    "Settings": "pipeline",
    "Sink": "sinks",
    "Source": "sources",
    "Summary": "pipeline",
    "default_model": "models",
    "fit": "preprocess",
    "open_engine": "engines",
    "open_sinks": "sinks",
    "open_source": "sources",
    "read_model_file": "contract.model_file",
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
