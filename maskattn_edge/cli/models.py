"""`maskattn-edge models`: which are here, what is known of them, and how to get others."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from maskattn_edge.cards import Card
    from maskattn_edge.contract.model_file import ModelFile

app = typer.Typer(add_completion=False, rich_markup_mode=None)


@app.callback(invoke_without_command=True)
def models(
    context: typer.Context,
    json: Annotated[bool, typer.Option("--json", help="Print the list as JSON.")] = False,
) -> None:
    """List the models that are here, show their cards, and fetch others.

    `run`, `build`, `inspect` and `benchmark` take their names.

    Example: maskattn-edge models

    Example: maskattn-edge models --json
    """
    if context.invoked_subcommand is not None:
        return
    from maskattn_edge.contract.errors import ModelFileError
    from maskattn_edge.contract.model_file import read_model_file
    from maskattn_edge.models import shipped_models, user_models

    facts: dict[str, dict[str, Any]] = {}
    for name, path in {**user_models(), **shipped_models()}.items():
        try:
            facts[name] = _facts(read_model_file(path))
        except ModelFileError as error:
            typer.echo(f"warning: {error}", err=True)
    if json:
        _print_json(facts)
        return
    if not facts:
        print("there are no models here")
    for name, known in facts.items():
        _print(name, known)


@app.command()
def show(
    name: Annotated[str, typer.Argument(help="Name of a model, or a model file.")] = "default",
    json: Annotated[bool, typer.Option("--json", help="Print it as JSON.")] = False,
) -> None:
    """Show the card of a model: data, licence, figures by precision, how to make it again.

    Example: maskattn-edge models show default
    """
    import msgspec

    from maskattn_edge.cards import read_card
    from maskattn_edge.contract.model_file import read_model_file
    from maskattn_edge.models import card_path, find_model, shipped_models

    path = find_model(Path(name))
    facts = _facts(read_model_file(path))
    card = read_card(card_path(name)) if shipped_models().get(name) == path else None
    if json:
        _print_json({**facts, "card": msgspec.to_builtins(card)})
        return
    _print(name, facts)
    if card is not None:
        for line in card_lines(card):
            print(line)


@app.command()
def get(
    source: Annotated[str, typer.Argument(metavar="URL", help="http(s) URL, or a file.")],
    sha256: Annotated[
        str, typer.Option("--sha256", metavar="HEX", help="Of the file, as its publisher says.")
    ],
    out: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Where to put it; the user's models if not given."),
    ] = None,
) -> None:
    """Fetch a model, verify it, and keep it under its name, by which `run` then takes it.

    A download that was interrupted goes on when the command is repeated. A file with another
    checksum, or one that is no model, is not kept.

    Example: maskattn-edge models get https://example.org/floor-s.onnx --sha256 HEX

    Example: maskattn-edge models get /media/usb/floor-s.onnx --sha256 HEX --out floor.onnx
    """
    from maskattn_edge.cli.terminal import counting
    from maskattn_edge.model_download import get_model

    with counting("bytes") as progress:
        path = get_model(source, sha256=sha256, out=out, progress=progress)
    print(f"written to {path}")
    model = path if out is not None else path.stem
    print(f"next: maskattn-edge run {model} --camera 0")


def card_lines(card: Card) -> list[str]:
    """A card as plain text."""
    rows = [("summary", card.summary), ("data", card.data), ("licence", card.licence)]
    lines = [f"  {key:<11} {text}" for key, text in rows]
    lines += ["", f"  {'mIoU, %':<14}{'grid':>8}{'full size':>12}{'MB':>8}"]
    for each in card.figures:
        size = "" if each.megabytes is None else f"{each.megabytes:.1f}"
        lines.append(f"  {each.file:<14}{each.miou_grid:>8.2f}{each.miou_full:>12.2f}{size:>8}")
    lines += ["", f"  {'measured':<11} {card.measured}", f"  {'limits':<11} {card.limits}"]
    return lines + [f"  {'make it':<11} {command}" for command in card.reproduce]


def _facts(file: ModelFile) -> dict[str, Any]:
    """What to know of a model before using it."""
    spec = file.spec
    return {
        "model": spec.name,
        "file": str(file.path),
        "bytes": len(file.data),
        "sha256": file.sha256,
        "task": spec.task,
        "height": spec.input.height,
        "width": spec.input.width,
        "precision": spec.precision.name,
        "classes": [info.name for info in spec.classes],
        "trained_on": spec.training.data or "not stated",
        "metrics": dict(spec.training.metrics),
        "licences": {"weights": spec.licences.weights, "data": spec.licences.data},
    }


def _print_json(facts: dict[str, Any]) -> None:
    import json as json_format

    print(json_format.dumps(facts, indent=2))


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
