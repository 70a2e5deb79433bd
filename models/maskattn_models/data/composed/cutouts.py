"""Whole objects cut out of photographs, with soft masks, where they are fit to be seen alone."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from maskattn_edge.preprocess import scale_image
from maskattn_edge.segments import Segments
from maskattn_models.data.composed.sources import Piece, name_of
from maskattn_models.data.composed.touching import ClusterSizes, clusters_of
from maskattn_models.data.dataset import DataSet, Sample
from maskattn_models.data.generation import save
from maskattn_models.data.pictures import load_segments
from maskattn_models.data.spread import spread

MAX_PHOTOGRAPHS = 4000
"""Photographs of a split that are searched: a large data set has more than enough objects."""

MAX_OBJECTS = 500
"""Objects of a class and split that are kept."""

MIN_SIDE = 20
MIN_AREA = 400
"""Pixels of an object in its photograph: below it is a blur when it is set into a scene."""

_MIN_FILLED = 0.25  # of its box: thinner ones are mostly what lies around them
_MIN_WHOLE = 0.92  # in the largest of its parts: otherwise something hides its middle
_BORDER = 3  # outlines drawn by hand end a little before the photograph does
_MAX_SIDE = 256
_MARGIN = 4
_CHUNK = 64  # photographs in work at a time

Step = Callable[[str, int, int], None]


def cut_objects(
    dataset: DataSet,
    samples: Sequence[Sample],
    parts: Path,
    split: str,
    *,
    rename: Callable[[str], str],
    progress: Callable[[int, int], None],
) -> tuple[tuple[Piece, ...], ClusterSizes]:
    """Store the usable objects of `samples` as BGRA pictures, in a fixed order.

    Counts besides how many objects of a class touch each other in these photographs, be they
    usable or not.

    Args:
        dataset: where the photographs lie.
        samples: the photographs; at most `MAX_PHOTOGRAPHS` of them, evenly spread, are searched.
        parts: folder of all parts.
        split: of the photographs; `parts`/objects/`split` is created.
        rename: from the name of a class to that of its group.
        progress: told (done, total) photographs.

    Raises:
        DataError: a file cannot be used.
        OSError: `parts` cannot be written.
    """
    folder = parts / "objects" / split
    folder.mkdir(parents=True)
    searched = spread(samples, MAX_PHOTOGRAPHS)
    counts: Counter[str] = Counter()
    clusters: dict[str, Counter[int]] = {}
    pieces: list[Piece] = []
    names = [rename(info.name) for info in dataset.classes]
    for done, (sample, found) in enumerate(_all_cut(dataset, searched, names), start=1):
        for name, size in found.clusters:
            clusters.setdefault(name, Counter())[size] += 1
        for number, label, picture in found.objects:
            name = names[label]
            counts[name] += 1
            if counts[name] > MAX_OBJECTS:
                continue
            file = f"objects/{split}/{len(pieces):06d}.png"
            save(parts / file, picture)
            source = f"{name_of(sample.image, dataset)}#{number}"
            kind = dataset.classes[label].name
            pieces.append(Piece(file=file, source=source, name=name, kind=kind))
        progress(done, len(searched))
    return tuple(pieces), {name: dict(sizes) for name, sizes in clusters.items()}


class _Found(NamedTuple):
    """In a photograph.

    Args:
        objects: number of the segment, its class, and the cut-out, (h, w, 4) BGRA.
        clusters: name and size of each cluster.
    """

    objects: list[tuple[int, int, NDArray[np.uint8]]]
    clusters: list[tuple[str, int]]


def _all_cut(
    dataset: DataSet, samples: Sequence[Sample], names: Sequence[str]
) -> Iterator[tuple[Sample, _Found]]:
    with ThreadPoolExecutor() as pool:
        for first in range(0, len(samples), _CHUNK):
            chunk = samples[first : first + _CHUNK]
            yield from zip(
                chunk, pool.map(lambda sample: _cut_all(sample, dataset, names), chunk), strict=True
            )


def _cut_all(sample: Sample, dataset: DataSet, names: Sequence[str]) -> _Found:
    image, segments = load_segments(sample, dataset)
    found = []
    for number in range(1, len(segments) + 1):
        label = int(segments.label[number - 1])
        if segments.crowd[number - 1] or not dataset.classes[label].thing:
            continue
        picture = cut(image, segments, number)
        if picture is not None:
            found.append((number, label, picture))
    return _Found(found, _clusters(segments, dataset, names))


def _clusters(segments: Segments, dataset: DataSet, names: Sequence[str]) -> list[tuple[str, int]]:
    number = {name: index for index, name in enumerate(sorted(set(names)))}
    kinds = [
        number[names[label]] if dataset.classes[label].thing else -1
        for label in segments.label.tolist()
    ]
    clusters = clusters_of(segments, np.array(kinds, np.int64))
    return [(names[segments.label[members[0] - 1]], len(members)) for members in clusters]


def cut(image: NDArray[np.uint8], segments: Segments, number: int) -> NDArray[np.uint8] | None:
    """One object with what is close around it; None where it is not fit to be shown alone.

    It must be large enough, in one piece, inside the photograph on all sides, and no thin line.

    Args:
        image: (H, W, 3) uint8 RGB.
        segments: of the image.
        number: of the segment, from 1.

    Returns:
        (h, w, 4) uint8 BGRA, at most 256 pixels a side; alpha is the share of the object.
    """
    mask = np.asarray(segments.map == number, dtype=np.uint8)
    left, top, width, height = cv2.boundingRect(mask)
    rows, columns = mask.shape
    inside = min(left, top, columns - left - width, rows - top - height) >= _BORDER
    if min(width, height) < MIN_SIDE or not inside or not _is_solid(mask, width * height):
        return None
    y, x = max(top - _MARGIN, 0), max(left - _MARGIN, 0)
    box = np.s_[y : top + height + _MARGIN, x : left + width + _MARGIN]
    picture = np.dstack([image[box][..., ::-1], mask[box] * np.uint8(255)])
    scale = min(1.0, _MAX_SIDE / max(picture.shape[:2]))
    return scale_image(
        picture,
        max(1, round(picture.shape[0] * scale)),
        max(1, round(picture.shape[1] * scale)),
    )


def _is_solid(mask: NDArray[np.uint8], box_area: int) -> bool:
    parts, _, stats, _ = cv2.connectedComponentsWithStats(mask, connectivity=8)
    areas = stats[1:, cv2.CC_STAT_AREA]
    area = int(areas.sum())
    largest = int(areas.max(initial=0))
    return (
        parts > 1
        and area >= MIN_AREA
        and area >= _MIN_FILLED * box_area
        and largest >= _MIN_WHOLE * area
    )
