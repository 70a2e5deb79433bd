"""`maskattn-edge build`: this device's TensorRT engine, into the cache."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from maskattn_edge.engines.tensorrt import BuildResult


def build(
    model: Annotated[
        Path | None, typer.Argument(help="Model file or name; the shipped one if not given.")
    ] = None,
    opt_level: Annotated[
        int,
        typer.Option(
            metavar="N", min=0, max=5, help="0 builds quickly, 5 tries every kernel; 3 is usual."
        ),
    ] = 3,
    workspace: Annotated[
        int,
        typer.Option(metavar="MB", min=16, max=65536, help="Most scratch memory of a kernel."),
    ] = 256,
    dla: Annotated[
        int | None,
        typer.Option(
            metavar="N",
            min=0,
            max=7,
            help="Build for this DLA core; layers that it lacks run on the GPU.",
        ),
    ] = None,
    force: Annotated[
        bool, typer.Option("--force", help="Build even if the cache has the engine.")
    ] = False,
    explain: Annotated[
        bool,
        typer.Option("--explain", help="If the engine is wrong, find the layer; takes minutes."),
    ] = False,
    cache: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Folder of engines; ~/.cache/maskattn-edge/engines."),
    ] = None,
) -> None:
    """Build the TensorRT engine of a model for this device, verify it, and keep it.

    Precision is the file's: build the fp16 or the INT8 file to get that engine. `run` takes the
    engine of a model that was built last. An engine that does not answer
    as the model does is not kept.

    Example: maskattn-edge build model.fp16.onnx --opt-level 5
    """
    from maskattn_edge.cli.terminal import phases
    from maskattn_edge.contract.model_file import read_model_file
    from maskattn_edge.engines.tensorrt import (
        BuildOptions,
        EngineCache,
        build_engine,
        this_machine,
    )
    from maskattn_edge.models import find_model

    options = BuildOptions(opt_level=opt_level, workspace_mb=workspace, dla=dla)
    file = read_model_file(find_model(model))
    tools = this_machine()
    with phases() as on_step:
        result = build_engine(
            file,
            options,
            EngineCache(cache),
            tools,
            force=force,
            explain=explain,
            on_step=on_step,
        )
    for line in result_lines(result):
        print(line)


def result_lines(result: BuildResult) -> list[str]:
    """What was built, what it takes, and how well it agrees, for people."""
    sidecar = result.engine.sidecar
    measured, agreement, built = sidecar.measured, sidecar.agreement, sidecar.fingerprint
    objects = "" if agreement.objects is None else f", objects matched {agreement.objects:.2%}"
    why = "from the cache" if result.rebuilt is None else f"built, because {result.rebuilt}"
    return [
        f"engine      {result.engine.path} ({why})",
        f"for         {built.device}, SM {built.sm}, TensorRT {built.tensorrt}, "
        f"driver {built.driver}",
        f"memory      {measured.activation_bytes / 1e6:.2f} MB of activations, "
        f"{sidecar.plan_bytes / 1e6:.2f} MB of plan, {measured.layers} layers",
        f"build       {measured.build_s:.1f} s, {measured.peak_host_bytes / 1e6:,.0f} MB at most",
        f"agreement   labels {agreement.labels:.2%} (the file on the CPU "
        f"{agreement.file_labels:.2%}), mIoU {agreement.miou:.2%}{objects}; "
        f"{agreement.images} images, {agreement.reference}",
    ]
