"""`maskattn-edge train`: a network learns from labelled images."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from maskattn_edge.cli import completion
from maskattn_edge.cli.completion import among
from maskattn_edge.cli.recipe import Recipe, check_needed, with_recipe

if TYPE_CHECKING:
    from maskattn_models.checkpoint import Checkpoint
    from maskattn_models.training import Ranks


@with_recipe()
def train(
    data: Annotated[Path, typer.Option(help="Folder of the data set.")],
    recipe: Recipe,
    task: Annotated[
        str,
        typer.Option(
            autocompletion=among(completion.TASKS),
            help="What to learn: semantic, instance or panoptic.",
        ),
    ] = "semantic",
    peer: Annotated[
        str | None,
        typer.Option(
            autocompletion=among(completion.PEERS),
            help="Another network, to compare with: plain-unet or segformer-b0.",
        ),
    ] = None,
    epochs: Annotated[int, typer.Option(help="Passes over the training images.")] = 100,
    out: Annotated[
        Path | None, typer.Option(help="Folder to write to; runs/DATA-SIZE if not given.")
    ] = None,
    teacher: Annotated[
        Path | None,
        typer.Option(
            metavar="CKPT", help="Checkpoint whose answers are learned beside the labels."
        ),
    ] = None,
    teacher_weight: Annotated[
        float | None,
        typer.Option(help="Share of the loss that is the teacher's; 0.5 if not given."),
    ] = None,
    teacher_temperature: Annotated[
        float | None, typer.Option(help="How far answers are softened; 2 if not given.")
    ] = None,
    seed: Annotated[int, typer.Option(help="Of weights, order and augmentation.")] = 0,
    patience: Annotated[
        int | None,
        typer.Option(help="Stop after so many epochs without a better validation mIoU."),
    ] = None,
    mask_share: Annotated[
        float | None,
        typer.Option(
            help="Share of keys, 0 to 1, that masks are pulled to; with --attention masked only."
        ),
    ] = None,
    contrastive: Annotated[
        float,
        typer.Option(
            metavar="WEIGHT",
            help="Weight of the instance-contrastive loss, with --task instance or panoptic.",
        ),
    ] = 0.0,
    no_samples: Annotated[
        bool,
        typer.Option("--no-samples", help="Keep no images in the checkpoint; export needs some."),
    ] = False,
    no_graph: Annotated[
        bool,
        typer.Option("--no-graph", help="Do not capture steps in a CUDA graph; for comparison."),
    ] = False,
    resume: Annotated[
        bool,
        typer.Option(
            "--resume",
            help="Go on with the run in --out, same options; with more --epochs the learning "
            "rate rises once, to where the schedule of the longer run is.",
        ),
    ] = False,
) -> None:
    """Train a network; writes last.pt, best.pt, curves and pictures, and can be resumed.

    Ctrl-C stops after the current step; the last finished epoch is kept. Several GPUs share each
    batch: torchrun --nproc-per-node 2 -m maskattn_edge train ...

    Example: maskattn-edge train --data camvid --epochs 100 --out runs/camvid
    """
    from maskattn_edge.optional import require

    check_needed(
        "--teacher",
        teacher,
        {"--teacher-weight": teacher_weight, "--teacher-temperature": teacher_temperature},
    )
    for package in ("torch", "matplotlib"):
        require(package, purpose="training", extra="train")
    import os

    from maskattn_edge.cli.training_progress import watching
    from maskattn_edge.contract.classes import things_of
    from maskattn_models.checkpoint import load_checkpoint
    from maskattn_models.data import open_dataset
    from maskattn_models.training import choose_device, joined, stop_on_signal
    from maskattn_models.training import train as train_network

    settings = recipe.training(
        epochs=epochs,
        teacher_weight=0.5 if teacher_weight is None else teacher_weight,
        teacher_temperature=2.0 if teacher_temperature is None else teacher_temperature,
        seed=seed,
        patience=patience,
        samples=not no_samples,
        graph=not no_graph,
        contrastive_weight=contrastive,
        mask_share=mask_share,
    )
    on_cuda = choose_device(settings.device).type == "cuda"
    with joined(os.environ, cuda=on_cuda) as ranks, _said_once(ranks):
        dataset = open_dataset(data)
        config = recipe.network(
            classes=len(dataset.classes),
            task=task,
            things=() if task == "semantic" else things_of(dataset.classes),
            peer=peer,
        )
        kind = "" if task == "semantic" else f"-{task}"
        folder = out or Path("runs") / f"{dataset.name}-{peer or recipe.size}{kind}"
        with stop_on_signal() as stop, watching(silent=not ranks.first) as observer:
            best = train_network(
                dataset,
                config,
                settings,
                folder,
                teacher=None if teacher is None else load_checkpoint(teacher),
                resume=resume,
                observer=observer,
                stop=stop,
                ranks=ranks,
            )
        if ranks.first:
            _print(best, folder)


@contextmanager
def _said_once(ranks: Ranks) -> Iterator[None]:
    """Of several processes that end alike, the first one says why."""
    from maskattn_edge.contract.errors import MaskAttnError
    from maskattn_models.training import TrainingInterrupted

    try:
        yield
    except MaskAttnError as error:
        interrupted = isinstance(error, TrainingInterrupted)
        if interrupted and ranks.first:
            typer.echo(str(error), err=True)
        if interrupted or not ranks.first:
            raise typer.Exit(error.exit_code) from error
        raise


def _print(best: Checkpoint, folder: Path) -> None:
    from rich.console import Console
    from rich.table import Table

    console = Console()
    table = Table()
    table.add_column("class")
    table.add_column("validation IoU, %", justify="right")
    quality = best.training.get("val_pq")
    if quality is not None:
        table.add_column("PQ, %", justify="right")
    for name, iou in best.training["val_iou"].items():
        table.add_row(name, _percent(iou), *([] if quality is None else [_percent(quality[name])]))
    table.add_section()
    mean = [_percent(best.metrics[name]) for name in ("val_miou", "val_pq") if name in best.metrics]
    name = {"semantic": "mean IoU", "instance": "mean; PQ of things", "panoptic": "mean"}
    table.add_row(name[best.task], *mean)
    console.print(table)
    for block, share in best.training.get("keys_kept", {}).items():
        console.print(f"{block} keeps {100 * share:.1f} % of its keys", highlight=False)
    names = ("best.pt", "last.pt", "history.csv", "curves.png", "predictions.png", "masks.png")
    written = ", ".join(name for name in names if (folder / name).exists())
    console.print(
        f"best epoch {best.training['epochs']}: "
        + (f"PQ {100 * best.metrics['val_pq']:.1f} %, " if "val_pq" in best.metrics else "")
        + f"mIoU {100 * best.metrics['val_miou']:.1f} %, "
        f"pixel accuracy {100 * best.metrics['val_pixel_accuracy']:.1f} %",
        highlight=False,
    )
    _print_performance(best.training["performance"])
    console.print(f"written to {folder}: {written}", highlight=False, soft_wrap=True)
    console.print(
        f"next: maskattn-edge export {folder / 'best.pt'}", highlight=False, soft_wrap=True
    )


def _percent(fraction: float) -> str:
    return "-" if fraction != fraction else f"{100 * fraction:.1f}"


def _print_performance(performance: Mapping[str, Any]) -> None:
    from rich.console import Console

    processes = performance["processes"]
    words = [f"{performance['images_per_second']:,.0f} images/s on {performance['device']}"]
    if processes > 1:
        words.append(f"{processes} processes")
    if performance["graph"]:
        words.append("CUDA graph")
    if performance["peak_memory_bytes"] is not None:
        words.append(f"{performance['peak_memory_bytes'] / 2**30:.2f} GiB of GPU memory")
    Console().print(f"trained at {', '.join(words)}", highlight=False, soft_wrap=True)
