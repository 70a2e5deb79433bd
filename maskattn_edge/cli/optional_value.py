"""`--web` alone, and `--web HOST:PORT`: Typer knows no option whose value may be left out."""

from __future__ import annotations

from collections.abc import Sequence

DEFAULT_ADDRESS = "127.0.0.1:8765"


def with_web_address(arguments: Sequence[str]) -> list[str]:
    """The same arguments, with the default address after a `--web` that has none.

    What follows is an address unless it is an option or a model file.

    >>> with_web_address(["run", "--web", "--camera", "0"])
    ['run', '--web', '127.0.0.1:8765', '--camera', '0']
    """
    complete: list[str] = []
    for argument, following in zip(arguments, [*arguments[1:], "-"], strict=False):
        complete.append(argument)
        if argument == "--web" and (following.startswith("-") or following.endswith(".onnx")):
            complete.append(DEFAULT_ADDRESS)
    return complete
