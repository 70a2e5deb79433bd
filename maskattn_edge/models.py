"""Models by name: those that the package ships, and those that the user fetched."""

from __future__ import annotations

import re
from importlib import resources
from pathlib import Path

from maskattn_edge.contract.errors import ModelFileError

DEFAULT = "default"
USER_FOLDER = Path(".local/share/maskattn-edge/models")
"""Where fetched models lie, below the user's home folder."""

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")


def shipped_models() -> dict[str, Path]:
    """Name -> file of each model in the package, the default first."""
    files = sorted(_assets().glob("*.onnx"), key=lambda file: (file.stem != DEFAULT, file.stem))
    return {file.stem: file for file in files}


def user_folder() -> Path:
    """The folder of fetched models, which need not exist."""
    return Path.home() / USER_FOLDER


def user_models(folder: Path | None = None) -> dict[str, Path]:
    """Name -> file of each fetched model, by name; `folder` is the user's if None."""
    files = sorted((user_folder() if folder is None else folder).glob("*.onnx"))
    return {file.stem: file for file in files if is_model_name(file.stem)}


def is_model_name(text: str) -> bool:
    """Whether a model may have this name: no path, nothing hidden."""
    return _NAME.fullmatch(text) is not None


def find_model(named: Path | None) -> Path:
    """The file that a user means: a path, or the name of a shipped or fetched model.

    A file that exists is taken before a model of the same name; None is the default model.

    Raises:
        ModelFileError: a name without a suffix is neither a file nor a model that is here.
    """
    if named is None:
        return default_model()
    if named.exists() or len(named.parts) != 1 or named.suffix in (".onnx", ".pt", ".pth"):
        return named
    known = {**user_models(), **shipped_models()}
    if str(named) not in known:
        raise ModelFileError(
            f"{named}: no such file, and no model of this name; here are: {', '.join(known)}; "
            "`maskattn-edge models get URL --sha256 HEX` fetches others"
        )
    return known[str(named)]


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


def card_path(name: str) -> Path:
    """Where the card of a shipped model lies."""
    return _assets() / f"{name}.card.json"


def _assets() -> Path:
    return Path(str(resources.files("maskattn_edge"))) / "assets"
