"""The grouping's constants, tried on the maps of one checkpoint.

    python models/studies/grouping_sweep.py runs/panoptic/seed0/best.pt --data DIR

Each constant is changed alone: the least chance of a centre, the least area of an object, the
window in which a centre is the highest; then the best of each by PQ of things are taken together.
Scores are on the network's grid. What is chosen by them belongs to `val`, the default split.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from dataclasses import astuple, replace
from typing import NamedTuple

import numpy as np
from object_errors import Constants, Picture, counts, grouping_of, line, opened, segments_in

from maskattn_edge.scores import (
    PictureObjects,
    average_precision,
    mean_precision,
    mean_quality,
    object_masks,
)
from maskattn_models.checkpoint import LoadedNetwork

CENTRES = (0.05, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5)
CELLS = (3, 6, 12, 24)
WINDOWS = (3, 5, 7, 9, 11)


class Tried(NamedTuple):
    """Constants, and PQ of all, of things and mask AP with them, as fractions."""

    constants: Constants
    pq: float
    pq_things: float
    ap: float


def sweep(shown: Sequence[Picture], network: LoadedNetwork) -> Iterator[Tried]:
    """Each constant changed alone, then the best of each."""
    usual = Constants()
    steps = {"min_centre": CENTRES, "min_cells": CELLS, "peak_window": WINDOWS}
    best: dict[str, float] = {}
    for name, values in steps.items():
        changed = [replace(usual, **{name: value}) for value in values]  # type: ignore[arg-type]
        rows = [_tried(shown, network, constants) for constants in changed]
        best[name] = getattr(max(rows, key=lambda row: row.pq_things).constants, name)
        yield from rows
    yield _tried(shown, network, replace(usual, **best))  # type: ignore[arg-type]


def _tried(shown: Sequence[Picture], network: LoadedNetwork, constants: Constants) -> Tried:
    classes = network.classes
    things = np.array([info.thing for info in classes])
    grouping = grouping_of(network, constants)
    found = [segments_in(picture.own, grouping, classes) for picture in shown]
    total = counts(shown, found, len(classes))
    objects = tuple(
        PictureObjects(
            height=network.input.height,
            width=network.input.width,
            truth=object_masks(picture.truth, things),
            found=object_masks(one, things),
        )
        for picture, one in zip(shown, found, strict=True)
    )
    precision = mean_precision(average_precision(objects, classes=len(classes)))
    return Tried(constants, mean_quality(total).pq, mean_quality(total, things).pq, precision.ap)


def main(words: Sequence[str]) -> None:
    """Score and print."""
    network, shown = opened(words, what=str(__doc__))
    print("| centre, at least | cells, at least | window | PQ | PQ things | mask AP |")
    print("|---|" + "--:|" * 5)
    for constants, *qualities in sweep(shown, network):
        print(line(" | ".join(map(str, astuple(constants))), qualities))


if __name__ == "__main__":
    main(sys.argv[1:])
