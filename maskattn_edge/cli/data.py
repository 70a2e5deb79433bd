"""`maskattn-edge data`: bring data sets into the form that `train` and `evaluate` read."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from maskattn_edge.cli.terminal import counting

app = typer.Typer(help="Prepare data sets.", no_args_is_help=True)
prepare = typer.Typer(help="Write a data set in the form that `train` reads.", no_args_is_help=True)
app.add_typer(prepare, name="prepare")


@app.callback()
def _data() -> None:
    """Prepare data sets."""


@prepare.callback()
def _prepare() -> None:
    """Write a data set in the form that `train` reads."""


@prepare.command()
def synthetic(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="Folder to create.")],
    images: Annotated[
        int, typer.Option(help="How many images: 80 % train, 10 % val, 10 % test.")
    ] = 1000,
    seed: Annotated[int, typer.Option(help="Another seed gives other scenes.")] = 0,
    clips: Annotated[int, typer.Option(help="How many short videos with labels to add.")] = 2,
    workers: Annotated[
        int | None, typer.Option(help="Processes; one for each processor if not given.")
    ] = None,
) -> None:
    """Generate robot scenes with exact labels: floor, wall, door, box, person, bottle, ramp, cable.

    Nothing is downloaded. The same numbers give the same data set.

    Example: maskattn-edge data prepare synthetic data/synthetic --images 2000 --seed 1
    """
    from maskattn_models.data.synthetic import prepare_synthetic

    with counting("frames") as progress:
        prepare_synthetic(
            folder, images=images, seed=seed, clips=clips, workers=workers, progress=progress
        )
    typer.echo(f"{images} images and {clips} clips with labels, seed {seed}, written to {folder}")
