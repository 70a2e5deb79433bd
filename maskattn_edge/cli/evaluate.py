"""`maskattn-edge evaluate`: how well a model labels a data set."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from maskattn_edge.cli.terminal import counting

if TYPE_CHECKING:
    from maskattn_models.evaluation import Evaluation


def evaluate(
    model: Annotated[
        Path,
        typer.Argument(
            metavar="MODEL_OR_CKPT", help="Model file (.onnx) or checkpoint (.pt, .pth)."
        ),
    ],
    data: Annotated[Path, typer.Option(metavar="DIR", help="Folder of the data set.")],
    split: Annotated[str, typer.Option(help="Which part of it.")] = "test",
    json: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Also write the report to this file.")
    ] = None,
    pictures: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE.png", help="Also write a PNG of samples: image, truth, prediction."
        ),
    ] = None,
    masks: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE.png",
            help="Also write a PNG of the keys that a checkpoint's attention keeps.",
        ),
    ] = None,
    limit: Annotated[
        int | None,
        typer.Option(min=1, help="Evaluate at most so many images, spread over the split."),
    ] = None,
) -> None:
    """Score a model on labelled images: IoU of each class and their mean.

    Two scores are printed: on the network's grid, and at the images' own size.

    Example: maskattn-edge evaluate best.pt --data camvid --split test
    """
    from maskattn_models.data import open_dataset
    from maskattn_models.evaluation import evaluate_file, write_report

    dataset = open_dataset(data)
    with counting(f"{dataset.name} {split}") as progress:
        result = evaluate_file(
            model,
            dataset,
            split,
            limit=limit,
            pictures=pictures,
            masks=masks,
            progress=progress,
        )
    if json is not None:
        write_report(json, result)
    _print(result)


def _print(result: Evaluation) -> None:
    from rich.console import Console
    from rich.table import Table

    from maskattn_models.evaluation import percent

    console = Console()
    what = f"{result.dataset} {result.split} ({result.images} images)"
    table = Table(title=f"{result.model} on {what}, IoU in %", title_justify="left")
    table.add_column("class")
    for heading in ("share of pixels", f"{result.height}x{result.width} grid", "full size"):
        table.add_column(heading, justify="right")
    for row in result.rows():
        table.add_row(*row)
    table.add_section()
    table.add_row("mean IoU", "", percent(result.grid_miou), percent(result.full_miou))
    console.print(table)
    console.print(f"mean IoU {percent(result.grid_miou)} %: {result.grid_name}", highlight=False)
    console.print(f"mean IoU {percent(result.full_miou)} %: {result.full_name}", highlight=False)
    for block, share in result.keys_kept.items():
        console.print(f"{block} keeps {percent(share)} % of its keys", highlight=False)
    console.print(
        "Only the full size of a whole test split can be set beside published scores. "
        f"A class without a score (-) is in neither truth nor prediction. Run by {result.runs_on}.",
        style="dim",
    )
