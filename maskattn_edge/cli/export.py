"""`maskattn-edge export`: a checkpoint becomes verified model files."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, cast

import typer

from maskattn_edge.cli import completion
from maskattn_edge.cli.completion import among

if TYPE_CHECKING:
    from maskattn_export.exporter import ExportedFile
    from maskattn_export.settings import Quantizer


def export(
    checkpoint: Annotated[
        Path, typer.Argument(help="Checkpoint of `train`, e.g. best.pt, or a published one.")
    ],
    fp16: Annotated[bool, typer.Option("--fp16", help="Also write the fp16 file.")] = False,
    int8: Annotated[
        bool, typer.Option("--int8", help="Also write the fp16 and the INT8 file.")
    ] = False,
    out: Annotated[
        Path | None, typer.Option(help="Folder to write to; the checkpoint's own if not given.")
    ] = None,
    calibration: Annotated[
        Path | None,
        typer.Option(
            help="Data set or folder of images that sets the INT8 ranges, instead of the "
            "checkpoint's own images."
        ),
    ] = None,
    budget: Annotated[
        float | None,
        typer.Option(
            metavar="POINTS",
            help="Most points of mIoU (PQ where objects are told apart) that INT8 may lose; 0.5 "
            "where the checkpoint carries labelled images.",
        ),
    ] = None,
    data: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR",
            help="Data set whose labelled images judge, instead of the checkpoint's held-out ones.",
        ),
    ] = None,
    split: Annotated[str, typer.Option(help="Split of --data that judges.")] = "val",
    quantizer: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            autocompletion=among(completion.QUANTIZERS),
            help="Who places Q/DQ: modelopt (if not given, where installed) or onnxruntime.",
        ),
    ] = None,
    qat: Annotated[
        int | None,
        typer.Option(
            metavar="EPOCHS",
            help="Fine-tune the weights for INT8, on the training images of --data.",
        ),
    ] = None,
    device: Annotated[
        str,
        typer.Option(
            autocompletion=among(completion.DEVICES),
            help="Where --qat computes: auto, cpu or cuda.",
        ),
    ] = "auto",
    name: Annotated[str | None, typer.Option(help="Name of the model in the files.")] = None,
    weights_licence: Annotated[
        str, typer.Option(help="Licence of the weights, stated in the files.")
    ] = "not stated",
    data_licence: Annotated[
        str, typer.Option(help="Licence of the training data, stated in the files.")
    ] = "not stated",
) -> None:
    """Turn a checkpoint into self-describing ONNX files, one per precision, each verified.

    The fp32 file is always written: it is the reference that the others are compared with. INT8
    is calibrated on the images that the checkpoint carries; a published one carries none and needs
    --calibration. Three calibrations are tried; where the best loses more than the budget, each
    block's loss is measured and the worst stay in fp16. --qat first fine-tunes the
    weights with INT8's roundings in place; they are taken only where they lose less. If no mixture
    is within the budget, the INT8 file is not written and the exit code is 1. The last line says
    which file to ship, and why.

    Example: maskattn-edge export runs/camvid/best.pt --int8
    """
    from maskattn_edge.optional import require

    for package in ("torch", "onnx", "onnxscript"):
        require(package, purpose="export", extra="export")
    from maskattn_edge.cli.terminal import working
    from maskattn_edge.contract.spec import Licences
    from maskattn_export.exporter import export_checkpoint
    from maskattn_export.int8.report import verdict
    from maskattn_export.settings import ExportSettings, Precision

    precisions: list[Precision] = ["fp32"]
    if fp16 or int8:
        precisions.append("fp16")
    if int8:
        precisions.append("int8")
    settings = ExportSettings(
        precisions=tuple(precisions),
        calibration=calibration,
        data=data,
        split=split,
        budget=budget,
        quantizer=cast("Quantizer | None", quantizer),
        qat=qat,
        device=device,
    )
    files: list[ExportedFile] = []
    try:
        with working("loading") as on_step:
            report = export_checkpoint(
                checkpoint,
                settings,
                folder=out,
                name=name,
                licences=Licences(weights=weights_licence, data=data_licence),
                on_step=on_step,
                on_file=files.append,
            )
    except KeyboardInterrupt:
        _print(files, title="interrupted; these files are complete")
        raise
    _print(
        files,
        title=f"compared on {report.images} samples",
        torch=[_percent(fraction) for fraction in (report.torch_miou, report.torch_pq)],
    )
    if report.int8 is not None:
        print(verdict(report.int8))
    if report.former is not None:
        print(f"the INT8 file of a former export was renamed to {report.former}")
    print(report.decision.line)
    if report.int8 is not None and not report.int8.holds:
        raise typer.Exit(1)


def _print(files: list[ExportedFile], *, title: str, torch: list[str] | None = None) -> None:
    from rich.console import Console
    from rich.table import Table

    console = Console()
    table = Table(title=title, title_justify="left")
    table.add_column("file", overflow="fold")
    objects = any(file.verification.matched == file.verification.matched for file in files)
    more = ("PQ", "objects") if objects else ()
    for heading in ("MB", "mIoU", "agreement", "CPU ms", *more):
        table.add_column(heading, justify="right")
    if torch is not None:
        table.add_row("PyTorch fp32", "", torch[0], "", "", *torch[1:][: len(more)])
    for file in files:
        found = file.verification
        cells = [
            str(file.path),
            f"{file.megabytes:.2f}",
            _percent(found.miou),
            f"{100 * found.agreement:.2f} %",
            f"{found.cpu_ms:.2f}",
        ]
        if objects:
            cells += [_percent(found.pq), f"{100 * found.matched:.1f} %"]
        table.add_row(*cells)
    console.print(table)
    console.print(
        "mIoU and agreement (pixels with PyTorch's label) in %; CPU ms: median of one image, "
        "ONNX Runtime on this machine."
        + (" Objects: share of them that are PyTorch's, IoU above a half." if objects else ""),
        style="dim",
    )


def _percent(fraction: float) -> str:
    return "no labels" if fraction != fraction else f"{100 * fraction:.2f}"
