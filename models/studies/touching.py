"""How often objects touch others of their class: in photographs, or in what was composed of them.

    python models/studies/touching.py --data DIR [--like COMPOSED]

Measured on the 128x128 grid, for objects that have 24 cells there; --like counts the classes of
another set, such as the super-categories of a composed one. Prints one table.
"""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from renamed import renamed

from maskattn_models.data import DataSet, open_dataset
from maskattn_models.data.composed import clusters_of, touching_share
from maskattn_models.data.pictures import truth_of


def cluster_sizes(dataset: DataSet, splits: Sequence[str]) -> dict[str, Counter[int]]:
    """By class of things: how many clusters there are of 1, 2, ... objects."""
    found: dict[str, Counter[int]] = {
        info.name: Counter() for info in dataset.classes if info.thing
    }
    thing = np.array([info.thing for info in dataset.classes])
    truth = truth_of(dataset)
    for sample in (sample for split in splits for sample in dataset.split(split)):
        segments = truth.segments(sample)
        label = segments.label.astype(np.int64)
        for members in clusters_of(segments, np.where(thing[label], label, -1)):
            name = dataset.classes[label[members[0] - 1]].name
            found[name][len(members)] += 1
    return found


def main(words: Sequence[str]) -> None:
    """Count and print."""
    parser = argparse.ArgumentParser(description=str(__doc__).partition("\n")[0])
    parser.add_argument("--data", type=Path, required=True, help="set with instances")
    parser.add_argument("--like", type=Path, metavar="DIR", help="set whose classes are counted")
    parser.add_argument("--split", nargs="+", help="all if not given")
    given = parser.parse_args(words)
    dataset = open_dataset(given.data)
    if given.like is not None:
        dataset = renamed(dataset, open_dataset(given.like).classes)
    found = cluster_sizes(dataset, given.split or tuple(dataset.splits))
    print(f"| {dataset.name} | objects | touch their like, % | clusters of each size |")
    print("|---|--:|--:|---|")
    for name, sizes in (found | {"all": sum(found.values(), Counter())}).items():
        each = ", ".join(f"{count} of {size}" for size, count in sorted(sizes.items()))
        objects = sum(size * count for size, count in sizes.items())
        print(f"| {name} | {objects} | {100 * touching_share(sizes):.0f} | {each} |")


if __name__ == "__main__":
    main(sys.argv[1:])
