"""Fill the stocks that pictures are composed from, and choose the classes that they suffice for."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path

from maskattn_edge.contract.classes import MAX_CLASSES, ClassInfo, default_color
from maskattn_edge.contract.errors import DataError
from maskattn_models.data.composed.cutouts import cut_objects
from maskattn_models.data.composed.grouping import group_of
from maskattn_models.data.composed.scenes import store_scenes, stuff_of
from maskattn_models.data.composed.settings import CompositionSettings
from maskattn_models.data.composed.sources import Piece, Stock, share_out, source_splits
from maskattn_models.data.composed.touching import ClusterSizes, joined_sizes
from maskattn_models.data.dataset import DataSet
from maskattn_models.data.generation import SPLITS

Step = Callable[[str, int, int], None]


def check_sources(photographs: DataSet, backgrounds: DataSet) -> tuple[ClassInfo, ...]:
    """The stuff of the scenes.

    Raises:
        DataError: the photographs have no instances, or the scenes no labels of stuff.
    """
    if not photographs.tasks & {"instance", "panoptic"}:
        raise DataError(
            f"{photographs.root}: has no instances to cut out; objects come from COCO annotations, "
            "or from a folder with instances/ beside masks/"
        )
    if "semantic" not in backgrounds.tasks:
        raise DataError(
            f"{backgrounds.root}: what is no object has no label there; scenes come from a data "
            "set with a class for most pixels, such as CamVid"
        )
    stuff = stuff_of(backgrounds.classes)[0]
    if not stuff:
        raise DataError(f"{backgrounds.root}: all its classes are things; scenes need stuff")
    return stuff


def fill_stocks(
    photographs: DataSet,
    backgrounds: DataSet,
    parts: Path,
    settings: CompositionSettings,
    told: Step,
) -> tuple[dict[str, Stock], ClusterSizes]:
    """Cut the objects and store the scenes of all splits in `parts`; how objects touch in all.

    Raises:
        DataError: a file cannot be used, there are too few pictures, or a split has no scene.
        OSError: `parts` cannot be written.
    """
    objects, clusters = _objects(photographs, parts, settings, told)
    views = source_splits(backgrounds)
    stocks = {}
    for split, count in settings.counts.items():
        step = partial(told, f"{split} scenes")
        scenes = store_scenes(backgrounds, views[split], parts, split, most=count, progress=step)
        if not scenes:
            raise DataError(
                f"{backgrounds.root}: no picture of {split} has stuff on half of its pixels or "
                "more: use other scenes"
            )
        stocks[split] = Stock(objects=objects[split], scenes=scenes)
    return stocks, clusters


def _objects(
    photographs: DataSet, parts: Path, settings: CompositionSettings, told: Step
) -> tuple[dict[str, tuple[Piece, ...]], ClusterSizes]:
    cut = partial(cut_objects, photographs, rename=group_of if settings.grouped else str)
    if settings.keep_splits or set(SPLITS) <= set(photographs.splits):
        found = {
            split: cut(samples, parts, split, progress=partial(told, f"{split} objects"))
            for split, samples in source_splits(photographs).items()
        }
        pieces = {split: own for split, (own, _) in found.items()}
        return pieces, joined_sizes(sizes for _, sizes in found.values())
    every = [sample for samples in photographs.splits.values() for sample in samples]
    own, sizes = cut(every, parts, "all", progress=partial(told, "objects"))
    return share_out(own), joined_sizes([sizes])


def choose_classes(
    stocks: Mapping[str, Stock], needed: Mapping[str, int]
) -> tuple[list[str], dict[str, int]]:
    """Classes with enough objects in each split, by name; the others, with their objects in all.

    Raises:
        DataError: no class has enough.
    """
    found = {split: count_objects(stock) for split, stock in stocks.items()}
    total = sum(found.values(), Counter[str]())
    enough = [
        name
        for name in sorted(total)
        if all(found[split][name] >= needed[split] for split in SPLITS)
    ]
    if not enough:
        best = total.most_common(1)
        most = f"{best[0][0]!r} has most, {best[0][1]} in all" if best else "there is none at all"
        raise DataError(
            f"no class has {needed['train']} whole objects in train and {needed['test']} in val "
            f"and test ({most}): use more photographs or a smaller number"
        )
    return enough, {name: total[name] for name in sorted(total) if name not in enough}


def count_objects(stock: Stock) -> Counter[str]:
    """Distinct objects of each class."""
    return Counter(piece.name for piece in stock.objects)


def joined_classes(stuff: tuple[ClassInfo, ...], names: Sequence[str]) -> tuple[ClassInfo, ...]:
    """The scenes' stuff, then the objects' classes.

    Raises:
        DataError: a name is in both, or there are more classes than labels.
    """
    taken = {info.name for info in stuff}
    if both := [name for name in names if name in taken]:
        raise DataError(
            f"{both[0]!r} is a class of the objects and stuff of the scenes: mark it "
            '"thing": true in the classes.json of the scenes, so that it becomes void there'
        )
    if len(stuff) + len(names) > MAX_CLASSES:
        raise DataError(f"{len(stuff) + len(names)} classes, at most {MAX_CLASSES} are possible")
    things = (
        ClassInfo(name, default_color(len(stuff) + index), thing=True)
        for index, name in enumerate(names)
    )
    return (*stuff, *things)
