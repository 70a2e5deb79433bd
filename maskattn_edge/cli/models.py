"""`maskattn-edge models`: what is installed with the package."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from maskattn_edge.contract.model_file import ModelFile


def models(
    json: Annotated[bool, typer.Option("--json", help="Print it as JSON.")] = False,
) -> None:
    """List the models that are installed with the package; `run` takes `default`.

    Example: maskattn-edge models
    """
    from maskattn_edge.contract.model_file import read_model_file
    from maskattn_edge.models import shipped_models

    files = {name: read_model_file(path) for name, path in shipped_models().items()}
    if json:
        import json as json_format

        facts = {name: _facts(file) for name, file in files.items()}
        print(json_format.dumps(facts, indent=2))
        return
    if not files:
        print("this installation ships no models")
    for name, file in files.items():
        _print(name, _facts(file))


def _facts(file: ModelFile) -> dict[str, Any]:
    """What to know of a shipped model before using it."""
    spec = file.spec
    return {
        "model": spec.name,
        "file": str(file.path),
        "bytes": len(file.data),
        "task": spec.task,
        "height": spec.input.height,
        "width": spec.input.width,
        "precision": spec.precision.name,
        "classes": [info.name for info in spec.classes],
        "trained_on": spec.training.data or "not stated",
        "metrics": dict(spec.training.metrics),
        "licences": {"weights": spec.licences.weights, "data": spec.licences.data},
    }


def _print(name: str, facts: dict[str, Any]) -> None:
    metrics = ", ".join(f"{key} {value:.4f}" for key, value in facts["metrics"].items())
    print(f"{name}: {facts['model']}, {facts['task']}, {facts['precision']}")
    rows = (
        ("file", f"{facts['file']}, {facts['bytes']:,} bytes"),
        ("input", f"{facts['height']}x{facts['width']}"),
        ("classes", ", ".join(facts["classes"])),
        ("trained on", facts["trained_on"]),
        ("figures", metrics or "not stated"),
        ("licences", f"weights {facts['licences']['weights']}; data {facts['licences']['data']}"),
    )
    for key, text in rows:
        print(f"  {key:<11} {text}")
