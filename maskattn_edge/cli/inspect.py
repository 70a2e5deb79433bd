"""`maskattn-edge inspect`: what a model file or an engine says of itself, and what it costs."""

from __future__ import annotations

import json as json_format
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from maskattn_edge.contract.model_file import ModelFile
    from maskattn_edge.graph_facts import GraphFacts
    from maskattn_edge.layer_times import LayerTime


def inspect(
    model: Annotated[
        Path, typer.Argument(help="Model file (.onnx) or name, or cached engine (.plan).")
    ],
    json: Annotated[bool, typer.Option("--json", help="Print it as JSON.")] = False,
    layers: Annotated[
        bool,
        typer.Option(
            "--layers",
            help="Also run it and list the time of each layer: of a model file on the CPU, of an "
            "engine on the GPU.",
        ),
    ] = False,
) -> None:
    """Show what a model file says of itself, and what each block costs.

    Without --layers nothing in it is executed. Operations are 2 x MAC of one image; activation
    memory is an estimate. Of an engine, a .plan of the cache, its sidecar is shown.

    Example: maskattn-edge inspect model.onnx --json
    """
    from maskattn_edge.contract.model_file import read_model_file
    from maskattn_edge.models import find_model

    if model.suffix == ".plan":
        _show_plan(model, json=json, layers=layers)
        return
    from maskattn_edge.graph_facts import graph_facts

    file = read_model_file(find_model(model))
    facts, costs = model_facts(file), graph_facts(file)
    times = _times(file) if layers else []
    if json:
        print(json_format.dumps(facts | _as_data(costs, times), indent=2))
        return
    _show(facts, json=False)
    for line in (*cost_lines(costs), *time_lines(times)):
        print(line)


def _show_plan(plan: Path, *, json: bool, layers: bool) -> None:
    facts, times = plan_facts(plan), []
    if layers:
        from maskattn_edge.engines.tensorrt import plan_layer_times

        dla = facts["fingerprint"]["options"]["dla"]
        times = plan_layer_times(plan.read_bytes(), dla=dla)
    _show(facts | _times_as_data(times) if json else facts, json=json)
    if not json:
        print(*time_lines(times, where="TensorRT, GPU"), sep="\n")


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


def plan_facts(plan: Path) -> dict[str, Any]:
    """What the sidecar of a cached engine says.

    Raises:
        EngineError: it has none that can be read.
    """
    import msgspec

    from maskattn_edge.contract.errors import EngineError
    from maskattn_edge.engines.tensorrt import read_sidecar

    try:
        sidecar = read_sidecar(plan)
    except (OSError, ValueError) as error:
        raise EngineError(
            f"{plan}: no sidecar that says what it is ({error}): engines that `maskattn-edge "
            "build` made have one in the same folder"
        ) from error
    return {"file": str(plan), **msgspec.to_builtins(sidecar)}


def cost_lines(costs: GraphFacts) -> list[str]:
    """Totals, and a row per block and precision."""
    lines = [
        f"{'operations':<14} {costs.operations / 1e9:.3f} GFLOPs (2 x MAC)",
        f"{'parameters':<14} {costs.parameters / 1e6:.3f} M in {costs.weight_bytes / 1e6:.2f} MB",
        f"{'activations':<14} {costs.activation_bytes / 1e6:.2f} MB (estimate)",
        "",
        f"{'block':<20} {'precision':<10} {'layers':>6} {'MFLOPs':>9} {'weights KB':>11}",
    ]
    for one in costs.blocks:
        lines.append(
            f"{one.block:<20} {one.precision:<10} {one.layers:>6} {one.operations / 1e6:>9.2f} "
            f"{one.weight_bytes / 1e3:>11.1f}"
        )
    return lines


def time_lines(times: list[LayerTime], *, where: str = "ONNX Runtime, CPU") -> list[str]:
    """A row per layer; none without times."""
    if not times:
        return []
    total = sum(one.frame_ms for one in times)
    rows = [f"{one.name:<44} {one.operator:<20} {one.frame_ms:>8.4f}" for one in times]
    heading = f"{f'layer ({where})':<44} {'operator':<20} {'p50 ms':>8}"
    return ["", heading, *rows, f"{'sum':<44} {'':<20} {total:>8.4f}"]


def _times(file: ModelFile) -> list[LayerTime]:
    from maskattn_edge.layer_times import layer_times

    return layer_times(file)


def _as_data(costs: GraphFacts, times: list[LayerTime]) -> dict[str, Any]:
    from dataclasses import asdict

    totals = ("operations", "parameters", "weight_bytes")
    data = asdict(costs) | {name: getattr(costs, name) for name in totals}
    return {"graph": data} | _times_as_data(times)


def _times_as_data(times: list[LayerTime]) -> dict[str, Any]:
    from dataclasses import asdict

    return {"layer_times": [asdict(one) for one in times]} if times else {}


def _show(facts: dict[str, Any], *, json: bool) -> None:
    if json:
        print(json_format.dumps(facts, indent=2))
        return
    for key, value in facts.items():
        print(f"{key:<14} {_text(value)}")


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
