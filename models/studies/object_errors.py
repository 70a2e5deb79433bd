"""Where a network loses objects: by their class, their centres, their offsets, or their outlines.

    python models/studies/object_errors.py runs/panoptic/seed0/best.pt --data DIR

Takes the maps of a panoptic or an instance checkpoint, puts the true ones in the place of some of
them, and groups and scores each mixture on the network's grid; PQ of objects regardless of their
class stands beside PQ of things. Then a line for each class: what is matched, missed and found in
vain, and how many of the objects that are matched regardless of class have their own.

True offsets help twice: those of cells without an object point to a corner, so that pixels which
are taken for a thing by mistake join no object.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
import torch
from ceiling import PerfectNetwork
from numpy.typing import NDArray

from maskattn_edge.contract.classes import ClassInfo
from maskattn_edge.preprocess import fit
from maskattn_edge.scores import (
    PanopticCounts,
    mean_quality,
    panoptic_counts,
    quality_per_class,
)
from maskattn_edge.segment_grid import fit_segments
from maskattn_edge.segmentation import Instances
from maskattn_edge.segments import Segments, joined_segments
from maskattn_models.checkpoint import LoadedNetwork, load_network
from maskattn_models.data import DataSet, open_dataset, spread
from maskattn_models.evaluation.truth import open_truth
from maskattn_models.grouping import MIN_CELLS, MIN_CENTRE, PEAK_WINDOW, Grouping, HeadMaps
from maskattn_models.network import HEAD_SCALE


@dataclass(frozen=True, kw_only=True, eq=False)
class Picture:
    """A picture's truth on the grid, and the maps of the network and of a perfect one."""

    truth: Segments
    own: HeadMaps
    perfect: HeadMaps


Mixture = Callable[[Picture], HeadMaps]

MIXTURES: dict[str, Mixture] = {
    "its own maps": lambda picture: picture.own,
    "true centres": lambda picture: picture.own._replace(centre=picture.perfect.centre),
    "true offsets": lambda picture: picture.own._replace(offset=picture.perfect.offset),
    "true centres and offsets": lambda picture: picture.perfect._replace(logits=picture.own.logits),
    "true classes": lambda picture: picture.own._replace(logits=picture.perfect.logits),
    "all true": lambda picture: picture.perfect,
}


def pictures(network: LoadedNetwork, dataset: DataSet, split: str, limit: int) -> Iterator[Picture]:
    """Some pictures of a split, evenly spread."""
    perfect = PerfectNetwork(network.classes, network.input)
    size, truth = network.input, open_truth(dataset, split)
    for sample in spread(dataset.split(split), limit):
        known = truth.load(sample)
        assert known.segments is not None
        image, _ = fit(known.image, height=size.height, width=size.width, resize=size.resize)
        with torch.inference_mode():
            normal = network.module.normalize(torch.from_numpy(image)[None].float())
            own = network.module.network.heads(normal)
        yield Picture(
            truth=fit_segments(
                known.segments, height=size.height, width=size.width, resize=size.resize
            ),
            own=own,
            perfect=perfect.of(known),
        )


@dataclass(frozen=True, kw_only=True)
class Constants:
    """Of the grouping; see `Grouping`."""

    min_centre: float = MIN_CENTRE
    min_cells: int = MIN_CELLS
    peak_window: int = PEAK_WINDOW


def grouping_of(network: LoadedNetwork, constants: Constants) -> Grouping:
    """The network's grouping with the given constants."""
    size = network.input
    things = [index for index, info in enumerate(network.classes) if info.thing]
    return Grouping(
        len(network.classes),
        things,
        height=size.height // HEAD_SCALE,
        width=size.width // HEAD_SCALE,
        scale=HEAD_SCALE,
        **asdict(constants),
    )


@torch.inference_mode()
def segments_in(maps: HeadMaps, grouping: Grouping, classes: Sequence[ClassInfo]) -> Segments:
    """What the grouping makes of one picture's maps."""
    labels, numbers, kinds, scores, boxes = (part[0].numpy() for part in grouping(maps))
    found = Instances(map=numbers, label=kinds, score=scores, box=boxes)
    return joined_segments(labels, found, classes)


def counts(shown: Sequence[Picture], found: Sequence[Segments], classes: int) -> PanopticCounts:
    """Of all pictures."""
    parts = (
        panoptic_counts(picture.truth, one, classes=classes)
        for picture, one in zip(shown, found, strict=True)
    )
    return sum(parts, PanopticCounts.none(classes))


def one_class(segments: Segments, things: NDArray[np.bool_]) -> Segments:
    """All things become one class, the one after the last."""
    label = np.where(things[segments.label], len(things), segments.label)
    return replace(segments, label=label.astype(np.uint8))


def regardless(
    shown: Sequence[Picture], found: Sequence[Segments], things: NDArray[np.bool_]
) -> PanopticCounts:
    """Counts with all things as one class, the one after the last."""
    merged = [replace(picture, truth=one_class(picture.truth, things)) for picture in shown]
    return counts(merged, [one_class(one, things) for one in found], len(things) + 1)


def recognised(
    picture: Picture, found: Segments, things: NDArray[np.bool_]
) -> Iterator[tuple[int, bool]]:
    """Class of each true object that is matched regardless of class, and whether it was found."""
    for number in np.flatnonzero(things[picture.truth.label] & ~picture.truth.crowd) + 1:
        mask = picture.truth.map == number
        if not mask.any():
            continue
        best = int(np.bincount(found.map[mask], minlength=len(found) + 1).argmax())
        if best and things[found.label[best - 1]]:
            other = found.map == best
            union = (mask | (other & (picture.truth.map > 0))).sum()
            if 2 * (mask & other).sum() > union:
                label = int(picture.truth.label[number - 1])
                yield label, bool(found.label[best - 1] == label)


def mixture_table(
    shown: Sequence[Picture], grouping: Grouping, classes: Sequence[ClassInfo]
) -> Iterator[str]:
    """A line for each mixture."""
    things = np.array([info.thing for info in classes])
    yield "| | PQ | PQ things | SQ | RQ | PQ stuff | regardless of class: PQ | SQ | RQ |"
    yield "|---|" + "--:|" * 8
    for name, mixture in MIXTURES.items():
        found = [segments_in(mixture(picture), grouping, classes) for picture in shown]
        total = counts(shown, found, len(classes))
        merged = quality_per_class(regardless(shown, found, things))
        values = [
            mean_quality(total).pq,
            *mean_quality(total, things),
            mean_quality(total, ~things).pq,
            *(float(part[-1]) for part in merged),
        ]
        yield line(name, values)


def class_table(
    shown: Sequence[Picture], grouping: Grouping, classes: Sequence[ClassInfo]
) -> Iterator[str]:
    """A line for each class of things, of the network's own maps."""
    things = np.array([info.thing for info in classes])
    found = [segments_in(picture.own, grouping, classes) for picture in shown]
    total = counts(shown, found, len(classes))
    quality = quality_per_class(total)
    matched = [
        pair
        for picture, one in zip(shown, found, strict=True)
        for pair in recognised(picture, one, things)
    ]
    yield "| | PQ | SQ | RQ | matched | missed | in vain | right class, of those found at all |"
    yield "|---|" + "--:|" * 7
    for label in np.flatnonzero(things).tolist():
        own = [right for kind, right in matched if kind == label]
        numbers = f"{total.tp[label]} | {total.fn[label]} | {total.fp[label]}"
        values = [float(part[label]) for part in quality]
        yield f"{line(classes[label].name, values)} {numbers} | {sum(own)} of {len(own)} |"


def line(name: str, values: Sequence[float]) -> str:
    """A row of a table, fractions in %."""
    return f"| {name} | {' | '.join(f'{100 * value:.1f}' for value in values)} |"


def opened(words: Sequence[str], *, what: str) -> tuple[LoadedNetwork, list[Picture]]:
    """The network and the pictures that a command line names; prints how many."""
    parser = argparse.ArgumentParser(description=what.partition("\n")[0])
    parser.add_argument("checkpoint", type=Path)
    parser.add_argument("--data", type=Path, required=True, help="set with instances")
    parser.add_argument("--split", default="val")
    parser.add_argument("--limit", type=int, default=200, help="at most so many images")
    given = parser.parse_args(words)
    network, dataset = load_network(given.checkpoint), open_dataset(given.data)
    if network.module.grouping is None:
        parser.error(f"{given.checkpoint} tells no objects apart; give a panoptic checkpoint")
    shown = list(pictures(network, dataset, given.split, given.limit))
    print(f"{dataset.name} {given.split}, {len(shown)} images, in %\n")
    return network, shown


def main(words: Sequence[str]) -> None:
    """Score and print."""
    network, shown = opened(words, what=str(__doc__))
    grouping = grouping_of(network, Constants())
    for table in (mixture_table, class_table):
        print(*table(shown, grouping, network.classes), sep="\n", end="\n\n")


if __name__ == "__main__":
    main(sys.argv[1:])
