"""`maskattn-edge train`: a network learns from labelled images."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from maskattn_models.checkpoint import Checkpoint

_TASKS = ("semantic", "instance", "panoptic")


def train(
    data: Annotated[Path, typer.Option(help="Folder of the data set.")],
    task: Annotated[str, typer.Option(help="What to learn: semantic.")] = "semantic",
    size: Annotated[str, typer.Option(help="Size of the network: n, s, m or l.")] = "s",
    epochs: Annotated[int, typer.Option(help="Passes over the training images.")] = 100,
    out: Annotated[
        Path | None, typer.Option(help="Folder to write to; runs/DATA-SIZE if not given.")
    ] = None,
    batch: Annotated[int, typer.Option(help="Images of one step.")] = 32,
    lr: Annotated[
        float,
        typer.Option(help="Peak learning rate of a batch of 32; grows with the batch's root."),
    ] = 1e-3,
    weight_decay: Annotated[float, typer.Option(help="Weight decay of AdamW.")] = 0.05,
    seed: Annotated[int, typer.Option(help="Of weights, order and augmentation.")] = 0,
    resize: Annotated[
        str, typer.Option(help="How images are brought to the network's size: stretch, letterbox.")
    ] = "stretch",
    height: Annotated[int, typer.Option(help="Height of the network's input in pixels.")] = 128,
    width: Annotated[int, typer.Option(help="Width of the network's input in pixels.")] = 128,
    device: Annotated[str, typer.Option(help="auto, cpu or cuda.")] = "auto",
    patience: Annotated[
        int | None,
        typer.Option(help="Stop after so many epochs without a better validation mIoU."),
    ] = None,
    no_samples: Annotated[
        bool,
        typer.Option("--no-samples", help="Keep no images in the checkpoint; export needs some."),
    ] = False,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on with the run in --out, same options.")
    ] = False,
) -> None:
    """Train a network; writes last.pt, best.pt, curves and pictures, and can be resumed.

    Ctrl-C stops after the current step; the last finished epoch is kept.

    Example: maskattn-edge train --data camvid --epochs 100 --out runs/camvid
    """
    from maskattn_edge.optional import require

    _check_task(task)
    for package in ("torch", "matplotlib"):
        require(package, purpose="training", extra="train")
    from typing import cast

    from maskattn_edge.cli.training_progress import watching
    from maskattn_edge.preprocess import Resize
    from maskattn_models.data import open_dataset
    from maskattn_models.network import NetworkConfig, Size
    from maskattn_models.training import (
        TrainingInterrupted,
        TrainingSettings,
        stop_on_signal,
    )
    from maskattn_models.training import train as train_network
    from maskattn_models.training.settings import Device

    settings = TrainingSettings(
        epochs=epochs,
        batch=batch,
        learning_rate=lr,
        weight_decay=weight_decay,
        seed=seed,
        resize=cast("Resize", resize),  # checked by the settings, as the names below
        device=cast("Device", device),
        patience=patience,
        samples=not no_samples,
    )
    dataset = open_dataset(data)
    config = NetworkConfig(
        classes=len(dataset.classes), size=cast("Size", size), height=height, width=width
    )
    folder = out or Path("runs") / f"{dataset.name}-{size}"
    try:
        with stop_on_signal() as stop, watching() as observer:
            best = train_network(
                dataset, config, settings, folder, resume=resume, observer=observer, stop=stop
            )
    except TrainingInterrupted as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(error.exit_code) from error
    _print(best, folder)


def _check_task(task: str) -> None:
    from maskattn_edge.contract.errors import UsageError

    if task not in _TASKS:
        raise UsageError(f"unknown task {task!r}; available: semantic")
    if task != "semantic":
        raise UsageError(
            f"training for the task {task!r} is not available yet; available: semantic"
        )


def _print(best: Checkpoint, folder: Path) -> None:
    from rich.console import Console
    from rich.table import Table

    console = Console()
    table = Table()
    table.add_column("class")
    table.add_column("validation IoU, %", justify="right")
    for name, iou in best.training["val_iou"].items():
        table.add_row(name, "-" if iou != iou else f"{100 * iou:.1f}")
    table.add_section()
    table.add_row("mean IoU", f"{100 * best.metrics['val_miou']:.1f}")
    console.print(table)
    names = ("best.pt", "last.pt", "history.csv", "curves.png", "predictions.png", "masks.png")
    written = ", ".join(name for name in names if (folder / name).exists())
    console.print(
        f"best epoch {best.training['epochs']}: mIoU {100 * best.metrics['val_miou']:.1f} %, "
        f"pixel accuracy {100 * best.metrics['val_pixel_accuracy']:.1f} %",
        highlight=False,
    )
    console.print(f"written to {folder}: {written}", highlight=False, soft_wrap=True)
    console.print(
        f"next: maskattn-edge export {folder / 'best.pt'}", highlight=False, soft_wrap=True
    )
