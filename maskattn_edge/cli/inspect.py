"""`maskattn-edge inspect`: what a model file says of itself."""

from __future__ import annotations

import json as json_format
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from maskattn_edge.contract.model_file import ModelFile


def inspect(
    model: Annotated[Path, typer.Argument(help="Model file or name.")],
    json: Annotated[bool, typer.Option("--json", help="Print it as JSON.")] = False,
) -> None:
    """Show what a model file says of itself. Nothing in it is executed.

    Example: maskattn-edge inspect model.onnx --json
    """
    from maskattn_edge.contract.model_file import read_model_file
    from maskattn_edge.models import find_model

    facts = model_facts(read_model_file(find_model(model)))
    if json:
        print(json_format.dumps(facts, indent=2))
        return
    for key, value in facts.items():
        print(f"{key:<14} {_text(value)}")


def model_facts(file: ModelFile) -> dict[str, Any]:
    """The facts of a model file as plain data; pictures are counted, not shown."""
    import msgspec

    spec: dict[str, Any] = msgspec.to_builtins(file.spec)
    samples = spec.pop("samples")
    return {
        "file": str(file.path),
        "bytes": len(file.data),
        "sha256": file.sha256,
        "described": file.described,
        **spec,
        "samples": len(samples),
        "opset": file.opset,
        "inputs": [str(port) for port in file.inputs],
        "outputs": [str(port) for port in file.outputs],
        "operators": sum(file.operators.values()),
        "operator_types": dict(sorted(file.operators.items())),
    }


def _text(value: object) -> str:
    """A fact on one line; what the file leaves open is not stated."""
    if isinstance(value, dict):
        stated = {key: item for key, item in value.items() if item not in (None, "", [], (), {})}
        return ", ".join(f"{key}={_text(item)}" for key, item in stated.items()) or "not stated"
    if isinstance(value, (list, tuple)):
        return ", ".join(_name(item) for item in value) or "none"
    return "yes" if value is True else "no" if value is False else str(value)


def _name(item: object) -> str:
    return str(item["name"]) if isinstance(item, dict) and "name" in item else str(item)
