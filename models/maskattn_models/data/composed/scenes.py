"""Scenes: pictures with labels of what stays where it is, stored near the size they are used at."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from maskattn_edge.contract.classes import IGNORE, ClassInfo
from maskattn_edge.preprocess import fit_labels, scale_image
from maskattn_models.data.composed.sources import Piece, name_of
from maskattn_models.data.dataset import DataSet, Sample
from maskattn_models.data.generation import save
from maskattn_models.data.pictures import load_sample
from maskattn_models.data.spread import spread

HEIGHT, WIDTH = 240, 320
"""Size of a composed image, in pixels."""

MAX_SCENES = 1000
"""Scenes of a split that are used."""

_SPARE = 1.35  # a crop may leave out this much
_MAX_VOID = 0.5
_FAST = (cv2.IMWRITE_PNG_COMPRESSION, 1)


def stuff_of(classes: Sequence[ClassInfo]) -> tuple[tuple[ClassInfo, ...], NDArray[np.uint8]]:
    """The classes of a scene that stay, and a table from its labels to them, (256,) uint8.

    Things of a scene have no instances in a semantic data set, so they become void: nothing that
    is found there is right or wrong.
    """
    table = np.full(256, IGNORE, np.uint8)
    stuff = [index for index, info in enumerate(classes) if not info.thing]
    table[stuff] = np.arange(len(stuff), dtype=np.uint8)
    return tuple(classes[index] for index in stuff), table


def store_scenes(
    dataset: DataSet,
    samples: Sequence[Sample],
    parts: Path,
    split: str,
    *,
    most: int,
    progress: Callable[[int, int], None],
) -> tuple[Piece, ...]:
    """Store scenes of a split: NAME.png and NAME.labels.png, a little larger than is composed.

    Those of which half is void, or more, are left out.

    Args:
        dataset: where the pictures lie.
        samples: of one split.
        parts: folder of all parts.
        split: which one; `parts`/scenes/`split` is created.
        most: scenes that are looked at, evenly spread.
        progress: told (done, total).

    Raises:
        DataError: a file cannot be used.
        OSError: `parts` cannot be written.
    """
    folder = parts / "scenes" / split
    folder.mkdir(parents=True)
    table = stuff_of(dataset.classes)[1]
    chosen = spread(samples, min(most, MAX_SCENES))
    pieces: list[Piece] = []
    for done, sample in enumerate(chosen, start=1):
        image, labels = load_sample(sample, dataset)
        labels = table[labels]
        if np.mean(labels == IGNORE) < _MAX_VOID:
            name = f"{len(pieces):06d}"
            _store(folder / name, image, labels)
            file = f"scenes/{split}/{name}.png"
            pieces.append(Piece(file=file, source=name_of(sample.image, dataset)))
        progress(done, len(chosen))
    return tuple(pieces)


def _store(stem: Path, image: NDArray[np.uint8], labels: NDArray[np.uint8]) -> None:
    rows, columns = labels.shape
    needed = max(HEIGHT / rows, WIDTH / columns)
    scale = max(needed, min(1.0, needed * _SPARE))  # enlarged only where it must be
    height, width = max(HEIGHT, round(rows * scale)), max(WIDTH, round(columns * scale))
    save(stem.with_suffix(".png"), scale_image(image, height, width)[..., ::-1], _FAST)
    fitted = fit_labels(labels, height=height, width=width, resize="stretch", outside=IGNORE)
    save(stem.with_suffix(".labels.png"), fitted, _FAST)


def random_view(
    image: NDArray[np.uint8], labels: NDArray[np.uint8], rng: np.random.Generator
) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """A crop of a stored scene at the composed size, perhaps mirrored.

    Returns:
        (240, 320, 3) uint8 in the order of `image`, and (240, 320) uint8 labels.
    """
    rows, columns = labels.shape
    largest = min(rows / HEIGHT, columns / WIDTH)
    scale = rng.uniform(1.0, largest) if largest > 1 else largest
    height, width = round(HEIGHT * scale), round(WIDTH * scale)
    top = int(rng.integers(rows - height + 1))
    left = int(rng.integers(columns - width + 1))
    box = np.s_[top : top + height, left : left + width]
    view = scale_image(np.ascontiguousarray(image[box]), HEIGHT, WIDTH)
    truth = cv2.resize(labels[box], (WIDTH, HEIGHT), interpolation=cv2.INTER_NEAREST)
    if rng.random() < 0.5:
        view, truth = view[:, ::-1], truth[:, ::-1]
    return np.array(view), np.array(truth, dtype=np.uint8)
