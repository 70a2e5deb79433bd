"""`maskattn-edge study`: the same training with one thing changed, over several seeds."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from maskattn_edge.cli.recipe import Recipe, with_recipe

if TYPE_CHECKING:
    from maskattn_models.study import StudyResult

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    help="Compare trainings over seeds: shares of the data, ablation, kinds of attention.",
)

_COMMANDS = {
    "fractions": """Train on 10, 25, 50, 75 and 100 % of the training images.

    Subsets are nested and depend on the seed; smaller ones are repeated, so that all take the
    same number of steps. Validation and test stay whole.""",
    "ablation": "Train with nothing, a convolution, plain and mask attention after the stages.",
    "attention": "Train with other kinds of mask attention, and with it in other places.",
}

VARIED = {"ablation": ("attention",), "attention": ("attention",)}
"""Options of `train` that a study does not have, since its runs differ in them."""

_Folders = Annotated[list[Path], typer.Argument(metavar="DIR...", help="Folders of studies.")]


def _command(name: str) -> Callable[..., None]:
    def study(
        data: Annotated[Path, typer.Option(help="Folder of the data set.")],
        recipe: Recipe,
        out: Annotated[
            Path | None,
            typer.Option(help="Folder to write to; runs/study-NAME-DATA-SIZE if not given."),
        ] = None,
        seeds: Annotated[int, typer.Option(help="Runs of each arm, with seeds 0, 1, ...")] = 3,
        epochs: Annotated[int, typer.Option(help="Passes over the images, of each run.")] = 100,
        split: Annotated[str, typer.Option(help="Which part of the data is scored.")] = "test",
        jobs: Annotated[
            int, typer.Option(help="Runs at a time: a small network leaves most of a GPU idle.")
        ] = 1,
    ) -> None:
        from maskattn_edge.optional import require

        for package in ("torch", "matplotlib"):
            require(package, purpose="a study", extra="train")
        from maskattn_edge.cli.study_progress import watching
        from maskattn_models.data import open_dataset
        from maskattn_models.study import PLANS, StudySettings, conduct
        from maskattn_models.training import TrainingInterrupted, stop_on_signal

        training = recipe.training(epochs=epochs, samples=False)
        dataset = open_dataset(data)
        network = recipe.network(classes=len(dataset.classes))
        settings = StudySettings(network=network, training=training, seeds=seeds, split=split)
        folder = out or Path("runs") / f"study-{name}-{dataset.name}-{recipe.size}"
        try:
            with stop_on_signal() as stop, watching() as observer:
                result = conduct(
                    PLANS[name], dataset, settings, folder, jobs=jobs, observer=observer, stop=stop
                )
        except TrainingInterrupted as error:
            typer.echo(str(error), err=True)
            raise typer.Exit(error.exit_code) from error
        _print(result)
        typer.echo(
            f"written to {folder}: results.json, results.md, scores.png, differences.png, runs/"
        )

    study.__doc__ = f"""{_COMMANDS[name]}

    What does not vary is chosen by the options of `train`, and noted in study.json.

    A study that was interrupted goes on where it was when the command is repeated: runs that are
    complete are kept.

    Example: maskattn-edge study {name} --data camvid --seeds 3 --epochs 200
    """
    return with_recipe(without=VARIED.get(name, ()))(study)


for _name in _COMMANDS:
    app.command(_name)(_command(_name))


@app.command("show")
def show(folders: _Folders) -> None:
    """Print the tables of studies that were run, as far as they are complete.

    Example: maskattn-edge study show runs/study-ablation-camvid-s
    """
    from maskattn_edge.optional import require

    require("torch", purpose="a study", extra="train")
    from maskattn_models.study import read_result

    for folder in folders:
        _print(read_result(folder))


@app.command("sizes")
def sizes(
    classes: Annotated[int, typer.Option(help="Number of labels.")] = 133,
    height: Annotated[int, typer.Option(help="Height of the input in pixels.")] = 128,
    width: Annotated[int, typer.Option(help="Width of the input in pixels.")] = 128,
) -> None:
    """Count the operations and parameters of each size of the network.

    Example: maskattn-edge study sizes --classes 133
    """
    from maskattn_edge.optional import require

    require("torch", purpose="counting", extra="train")
    from rich.console import Console
    from rich.table import Table

    from maskattn_models.cost import cost_of
    from maskattn_models.network import WIDTHS, NetworkConfig

    table = Table(
        title=f"{height}x{width}, {classes} classes, with mask attention; operations as 2 x MAC",
        title_justify="left",
    )
    table.add_column("size")
    table.add_column("GFLOPs", justify="right")
    table.add_column("M parameters", justify="right")
    for size in WIDTHS:
        network = NetworkConfig(
            classes=classes, size=size, height=height, width=width, attention="masked"
        )
        cost = cost_of(network)
        table.add_row(size, f"{cost.gflops:.3f}", f"{cost.millions:.3f}")
    Console().print(table)


def _print(result: StudyResult) -> None:
    from rich.console import Console
    from rich.table import Table

    from maskattn_models.study import conditions, table

    headings, rows = table(result)
    printed = Table(title=result.title, title_justify="left")
    for index, heading in enumerate(headings):
        printed.add_column(heading, justify="right" if index else "left", no_wrap=index > 0)
    for row in rows:
        printed.add_row(*row)
    console = Console()
    if not console.is_terminal:
        console = Console(width=140)  # a file is as wide as its lines
    console.print(printed)
    console.print(conditions(result), style="dim", highlight=False)
