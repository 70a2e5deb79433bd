"""`maskattn-edge data`: bring data sets into the form that `train` and `evaluate` read."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from maskattn_edge.cli.terminal import counting, stages
from maskattn_edge.contract.errors import DataError, UsageError

if TYPE_CHECKING:
    from maskattn_models.data import Report
    from maskattn_models.data.composed import Composition

app = typer.Typer(help="Prepare and check data sets.", no_args_is_help=True)
prepare = typer.Typer(help="Write a data set in the form that `train` reads.", no_args_is_help=True)
app.add_typer(prepare, name="prepare")

_SHOWN = 20

Folder = Annotated[Path, typer.Argument(metavar="DIR", help="Folder to write.")]
Source = Annotated[
    Path | None,
    typer.Option(metavar="FOLDER", help="Originals that are there already; they are not copied."),
]
Height = Annotated[int, typer.Option(help="Height of the network's input, in pixels.")]
Width = Annotated[int, typer.Option(help="Width of the network's input, in pixels.")]
ResizeOption = Annotated[
    Literal["stretch", "letterbox"], typer.Option(help="How images are brought to this size.")
]
Splits = Annotated[
    list[str] | None, typer.Option("--split", help="Only this split; may be given twice.")
]


@app.callback()
def _data() -> None:
    """Prepare and check data sets."""


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


@prepare.command()
def composed(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="Folder to create.")],
    objects: Annotated[
        Path, typer.Option(metavar="DIR", help="Photographs with instances, such as COCO.")
    ],
    scenes: Annotated[Path, typer.Option(metavar="DIR", help="Labelled scenes, such as CamVid.")],
    images: Annotated[
        int, typer.Option(help="How many images: 80 % train, 10 % val, 10 % test.")
    ] = 2000,
    seed: Annotated[int, typer.Option(help="Another seed gives other images.")] = 0,
    grouped: Annotated[
        bool,
        typer.Option(
            "--grouped/--single", help="Classes are COCO's super-categories, or single ones."
        ),
    ] = True,
    least: Annotated[
        int, typer.Option(help="Distinct objects in train that a class needs, or it is left out.")
    ] = 8,
    keep_splits: Annotated[
        bool,
        typer.Option(
            "--keep-splits",
            help="Halve the val split of OBJECTS where it has no test, instead of sharing its "
            "photographs out anew.",
        ),
    ] = False,
    workers: Annotated[
        int | None, typer.Option(help="Processes; one for each processor if not given.")
    ] = None,
) -> None:
    """Cut objects out of photographs and set them into scenes: a panoptic set of real objects.

    The same numbers and sources give the same data set; no photograph or scene is in two splits.

    Example: maskattn-edge data prepare composed data/composed --objects coco128seg --scenes camvid
    """
    from maskattn_models.data.composed import CompositionSettings, prepare_composed

    settings = CompositionSettings(
        images=images, seed=seed, grouped=grouped, least=least, keep_splits=keep_splits
    )
    with stages() as progress:
        result = prepare_composed(
            folder, objects, scenes, settings, workers=workers, progress=progress
        )
    typer.echo(f"{images} images, {len(result.classes)} classes, seed {seed}, written to {folder}")
    for line in _composed_lines(result):
        typer.echo(line)


def _composed_lines(result: Composition) -> Iterator[str]:
    """Objects and instances of each class, train/val/test."""
    splits = tuple(result.images)
    for name in result.objects[splits[0]]:
        distinct = "/".join(str(result.objects[split][name]) for split in splits)
        shown = "/".join(str(result.instances[split][name]) for split in splits)
        yield f"{name}: {distinct} objects in {'/'.join(splits)}, shown {shown} times"
    if result.left_out:
        few = ", ".join(f"{name} ({count})" for name, count in result.left_out.items())
        yield f"left out, too few objects: {few}"


@prepare.command()
def coco(
    folder: Folder,
    source: Source = None,
    annotations: Annotated[
        Literal["panoptic", "instances", "stuff"],
        typer.Option(help="Which truth; stuff is not downloaded, it needs --source."),
    ] = "panoptic",
    split: Splits = None,
    height: Height = 128,
    width: Width = 128,
    resize: ResizeOption = "stretch",
) -> None:
    """Download COCO 2017 (21 GB; with --split val 2 GB), verify and convert it.

    An interrupted download goes on where it stopped when the command is run again.

    Example: maskattn-edge data prepare coco data/coco

    Example: maskattn-edge data prepare coco data/coco-val --split val
    """
    if annotations == "stuff" and source is None:
        raise UsageError(
            "COCO's stuff annotations are not downloaded: get stuff_annotations_trainval2017.zip "
            "from cocodataset.org, unpack it beside train2017/ and val2017/, and name that folder "
            "with --source"
        )
    _run("coco", folder, source, annotations, split, height, width, resize)


@prepare.command()
def ade20k(
    folder: Folder,
    source: Source = None,
    split: Splits = None,
    height: Height = 128,
    width: Width = 128,
    resize: ResizeOption = "stretch",
) -> None:
    """Download ADE20K scene parsing with instances (1 GB), verify and convert it.

    Example: maskattn-edge data prepare ade20k data/ade20k
    """
    _run("ade20k", folder, source, "", split, height, width, resize)


@prepare.command()
def cityscapes(
    folder: Folder,
    source: Source = None,
    split: Splits = None,
    height: Height = 128,
    width: Width = 256,
    resize: ResizeOption = "stretch",
) -> None:
    """Convert Cityscapes; its download needs an account, and the command says what to fetch.

    The pictures are twice as wide as high, so that 128x256 keeps their proportions.

    Example: maskattn-edge data prepare cityscapes data/cityscapes --source ~/cityscapes
    """
    _run("cityscapes", folder, source, "", split, height, width, resize)


@prepare.command("folder")
def plain(
    folder: Folder,
    source: Annotated[
        Path, typer.Option(metavar="FOLDER", help="Your data set, in any layout that is read.")
    ],
    split: Splits = None,
    height: Height = 128,
    width: Width = 128,
    resize: ResizeOption = "stretch",
) -> None:
    """Convert a folder: images with masks, with instance masks, or with COCO annotations.

    Example: maskattn-edge data prepare folder data/mine --source ~/pictures
    """
    _run("folder", folder, source, "", split, height, width, resize)


@app.command()
def check(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="Data set to read through.")],
    annotations: Annotated[
        str,
        typer.Option(help="Of COCO: panoptic, instances or stuff; the first there if left out."),
    ] = "",
) -> None:
    """Read every file of a data set and name those that are broken, missing or mislabelled.

    Exits with 1 if there are any.

    Example: maskattn-edge data check data/mine
    """
    from maskattn_models.data import check_dataset

    with stages() as progress:
        report = check_dataset(folder, annotations, progress=progress)
    _print(report)
    if report.problems:
        raise DataError(f"{folder}: {len(report.problems)} files cannot be used, listed above")


def _print(report: Report) -> None:
    counts = ", ".join(f"{count} {split}" for split, count in report.images.items())
    typer.echo(f"{report.name}: {counts} images, {len(report.pixels)} classes")
    for problem in report.problems[:_SHOWN]:
        typer.echo(problem)
    if len(report.problems) > _SHOWN:
        typer.echo(f"... and {len(report.problems) - _SHOWN} more")
    for split, count in report.unlabelled.items():
        if count:
            typer.echo(f"{split}: {count} images have no labelled pixel")
    if report.absent:
        typer.echo(f"no pixel has the class: {', '.join(report.absent)}")
    if not report.problems:
        typer.echo("all files can be used")


def _run(
    name: str,
    folder: Path,
    source: Path | None,
    annotations: str,
    split: list[str] | None,
    height: int,
    width: int,
    resize: Literal["stretch", "letterbox"],
) -> None:
    from maskattn_models.data import ConversionSettings, prepare
    from maskattn_models.data.archives import LICENCES

    settings = ConversionSettings(height=height, width=width, resize=resize)
    with stages() as progress:
        manifest = prepare(
            name,
            folder,
            settings,
            source=source,
            annotations=annotations,
            splits=split or (),
            progress=progress,
        )
    counts = ", ".join(f"{entry.images} {name}" for name, entry in manifest.splits.items())
    typer.echo(f"{manifest.name}: {counts} images at {height}x{width}, written to {folder}")
    if name in LICENCES:
        typer.echo(f"licence: {LICENCES[name]}")
