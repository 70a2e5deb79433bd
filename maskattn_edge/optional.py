"""Optional packages: imported on first use, and named with the command that installs them."""

from __future__ import annotations

import importlib
from types import ModuleType

from maskattn_edge.contract.errors import MissingDependencyError


def require(module: str, *, purpose: str, extra: str) -> ModuleType:
    """Import `module`, or say which extra of this distribution brings it.

    Args:
        module: name as in an import statement, e.g. `"torch"`.
        purpose: what needs it, as the start of a sentence, e.g. `"training"`.
        extra: name of the extra in `pyproject.toml`.

    Raises:
        MissingDependencyError: the package is not installed.
    """
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        if error.name != module.partition(".")[0]:  # installed, but lacks something itself
            raise
        raise MissingDependencyError(
            f"{purpose} needs the package {module}: pip install 'maskattn-edge[{extra}]'"
        ) from error
