"""The part of the work that is shared out: composed pictures, a few to a task."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache, partial
from pathlib import Path

import cv2
import msgspec
import numpy as np
from numpy.typing import NDArray

from maskattn_models.data.composed.composition import compose
from maskattn_models.data.composed.placement import MOST, Cast, Cutout
from maskattn_models.data.composed.scenes import random_view
from maskattn_models.data.composed.sources import Piece, Stock
from maskattn_models.data.composed.touching import ClusterSizes, shown_sizes
from maskattn_models.data.generation import SPLITS, child_seed, save, until_stopped

PARTS = ".parts"
"""Folder of the stored parts, removed when all is composed."""

_JPEG = (cv2.IMWRITE_JPEG_QUALITY, 92)


class Plan(msgspec.Struct, frozen=True):
    """What is composed: the parts by split, the label and the clusters of each class of objects."""

    labels: dict[str, int]
    stocks: dict[str, Stock]
    clusters: ClusterSizes


class Origin(msgspec.Struct, frozen=True):
    """What a picture was made from: its scene, and the cut-out and class of each instance."""

    scene: str
    objects: tuple[str, ...]
    classes: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Task:
    """A run of pictures of one split."""

    folder: Path
    seed: int
    branch: int
    first: int
    count: int


def write_plan(folder: Path, plan: Plan) -> None:
    """Store the plan for all processes. Raises OSError."""
    (folder / PARTS / "plan.json").write_bytes(msgspec.json.encode(plan))


@lru_cache(maxsize=1)
def _read_plan(folder: Path) -> Plan:
    return msgspec.json.decode((folder / PARTS / "plan.json").read_bytes(), type=Plan)


def render(task: Task) -> tuple[Task, list[Origin]]:
    """Write the pictures of a task with their truth; the origin of each."""
    plan, split = _read_plan(task.folder), SPLITS[task.branch]
    parts, stock = task.folder / PARTS, plan.stocks[split]
    cast = _cast(plan, stock, parts)
    origins = []
    for index in until_stopped(task.count):
        number = task.first + index
        rng = np.random.default_rng(child_seed(task.seed, task.branch, number))
        scene = stock.scenes[int(rng.integers(len(stock.scenes)))]
        origins.append(_write(task.folder, split, number, scene, cast, stock, rng))
    return task, origins


def _cast(plan: Plan, stock: Stock, parts: Path) -> Cast:
    cutouts = [
        Cutout(
            label=plan.labels[piece.name],
            kind=piece.kind,
            load=partial(_load, parts / piece.file, cv2.IMREAD_UNCHANGED),
        )
        for piece in stock.objects
    ]
    sizes = {
        label: shown_sizes(plan.clusters.get(name, {}), MOST) for name, label in plan.labels.items()
    }
    return Cast(cutouts=cutouts, sizes=sizes)


def _write(
    folder: Path,
    split: str,
    number: int,
    scene: Piece,
    cast: Cast,
    stock: Stock,
    rng: np.random.Generator,
) -> Origin:
    path = folder / PARTS / scene.file
    image = _load(path, cv2.IMREAD_COLOR)
    labels = _load(path.with_suffix(".labels.png"), cv2.IMREAD_UNCHANGED)
    made = compose(*random_view(image, labels, rng), cast, rng)
    save(folder / "images" / split / f"{number:06d}.jpg", made.image, _JPEG)
    save(folder / "masks" / split / f"{number:06d}.png", made.labels)
    save(folder / "instances" / split / f"{number:06d}.png", made.instances)
    used = [stock.objects[chosen] for chosen in made.chosen]
    return Origin(
        scene=scene.source,
        objects=tuple(piece.source for piece in used),
        classes=tuple(piece.name for piece in used),
    )


def _load(path: Path, mode: int) -> NDArray[np.uint8]:
    picture = cv2.imread(str(path), mode)
    assert picture is not None  # written by us, a moment ago
    return np.asarray(picture, dtype=np.uint8)
