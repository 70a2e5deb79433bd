"""`maskattn-edge evaluate`: how well a model labels a data set."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from maskattn_edge.cli.terminal import counting

if TYPE_CHECKING:
    from maskattn_models.evaluation import Evaluation


def evaluate(
    model: Annotated[
        Path,
        typer.Argument(
            metavar="MODEL_OR_CKPT", help="Model file or name, or checkpoint (.pt, .pth)."
        ),
    ],
    data: Annotated[Path, typer.Option(metavar="DIR", help="Folder of the data set.")],
    split: Annotated[str, typer.Option(help="Which part of it.")] = "test",
    engine: Annotated[
        str | None,
        typer.Option(
            help="Engine that runs a model file, as `run` names them; the best that loads if not "
            "given."
        ),
    ] = None,
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
    as_: Annotated[
        Literal["semantic", "instance", "panoptic"] | None,
        typer.Option("--as", help="Task to score it as, if not the model's own."),
    ] = None,
    min_area: Annotated[
        int | None,
        typer.Option(
            min=1,
            help="Pixels of the grid that a segment made from plain labels has at least; 64 if "
            "not given.",
        ),
    ] = None,
    predictions: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR", help="Also write the answers in the data set's official format."
        ),
    ] = None,
    limit: Annotated[
        int | None,
        typer.Option(min=1, help="Evaluate at most so many images, spread over the split."),
    ] = None,
) -> None:
    """Score a model on labelled images: IoU, PQ or mask AP of each class and their means.

    A semantic model has mIoU, a panoptic one PQ, SQ and RQ beside it, an instance one mask AP.
    With --as, the labels of a semantic model are scored for another task, each connected region
    of a thing class as one object. All scores are taken on the network's grid and at the images'
    own size.

    Example: maskattn-edge evaluate best.pt --data camvid --split test
    """
    from maskattn_edge.models import find_model
    from maskattn_models.data import open_dataset
    from maskattn_models.evaluation import evaluate_file, write_report

    dataset = open_dataset(data)
    with counting(f"{dataset.name} {split}") as progress:
        result = evaluate_file(
            find_model(model),
            dataset,
            split,
            engine=engine,
            task=as_,
            min_area=min_area,
            predictions=predictions,
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

    from maskattn_models.evaluation import percent, score_table

    console = Console()
    what = f"{result.dataset} {result.split} ({result.images} images)"
    scores = score_table(result)
    console.print(f"{result.model} on {what}, {scores.what} in %", highlight=False)
    table = Table()
    for number, heading in enumerate(scores.headings):
        table.add_column(heading, justify="right" if number else "left")
    for row in scores.rows:
        table.add_row(*row)
    table.add_section()
    for row in scores.means:
        table.add_row(*row)
    console.print(table)
    for line in scores.summary:
        console.print(line, highlight=False)
    for block, share in result.keys_kept.items():
        console.print(f"{block} keeps {percent(share)} % of its keys", highlight=False)
    console.print(
        "Only the full size of a whole test split can be set beside published scores. "
        f"{scores.absent} Run by {result.runs_on}.",
        style="dim",
    )
