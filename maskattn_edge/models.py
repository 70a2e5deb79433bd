"""The models that the package ships."""

from __future__ import annotations

from importlib import resources
from pathlib import Path

from maskattn_edge.contract.errors import ModelFileError

DEFAULT = "default"


def shipped_models() -> dict[str, Path]:
    """Name -> file of each model in the package, the default first."""
    folder = Path(str(resources.files("maskattn_edge"))) / "assets"
    files = sorted(folder.glob("*.onnx"), key=lambda file: (file.stem != DEFAULT, file.stem))
    return {file.stem: file for file in files}


def default_model() -> Path:
    """The model that runs where none is named.

    Raises:
        ModelFileError: this installation has none.
    """
    try:
        return shipped_models()[DEFAULT]
    except KeyError as error:
        raise ModelFileError(
            "this installation ships no default model: name a model file, "
            "as in `maskattn-edge run model.onnx --camera 0`"
        ) from error
