"""`data prepare composed`: a panoptic data set from photographs with instances, and scenes."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import msgspec

from maskattn_edge.contract.classes import ClassInfo, classes_json
from maskattn_models.data.composed.rendering import PARTS, Origin, Plan, Task, render, write_plan
from maskattn_models.data.composed.scenes import HEIGHT, WIDTH
from maskattn_models.data.composed.settings import CompositionSettings
from maskattn_models.data.composed.sources import Stock
from maskattn_models.data.composed.stocking import (
    Step,
    check_sources,
    choose_classes,
    count_objects,
    fill_stocks,
    joined_classes,
)
from maskattn_models.data.composed.touching import ClusterSizes
from maskattn_models.data.generation import CHUNK, SPLITS, appearing, check_numbers, finished
from maskattn_models.data.layouts import open_dataset

VERSION = 2
"""Raised when the same settings begin to give other pictures."""

Counts = dict[str, dict[str, int]]
"""By split, then by class."""


@dataclass(frozen=True, kw_only=True)
class Composition:
    """What was written.

    Args:
        images: by split.
        classes: the scenes' stuff first, then the objects' classes.
        objects: distinct objects to choose from, by split and class.
        instances: objects in the pictures, by split and class.
        left_out: classes with too few objects, with their number in all splits.
        clusters: by class, how many objects touch each other in the photographs, which the
            pictures follow.
    """

    images: dict[str, int]
    classes: tuple[ClassInfo, ...]
    objects: Counts
    instances: Counts
    left_out: dict[str, int]
    clusters: ClusterSizes


def prepare_composed(
    folder: Path,
    objects: Path,
    scenes: Path,
    settings: CompositionSettings,
    *,
    workers: int | None = None,
    progress: Step | None = None,
) -> Composition:
    """Cut objects out of photographs and set them into scenes, as a folder data set.

    The folder appears under its name only when all is written. The same settings and sources give
    the same files whatever `workers` is, for one version of OpenCV.

    Layout: `images/{train,val,test}/000000.jpg` (320x240), `masks/...png` (class of each pixel),
    `instances/...png` (0 = none, 1..K), `classes.json`, `sources.json` (the scene and the objects
    of each image) and `manifest.json`. No photograph and no scene is used in two splits.

    Args:
        folder: what to create; it may exist if it is empty.
        objects: a data set with instances, in any layout that is read.
        scenes: a data set with labels; its stuff is kept, its things become void.
        settings: what to make of them.
        workers: processes; as many as there are processors if not given, 1 for none beside this.
        progress: told (step, done, total).

    Raises:
        UsageError: `workers` is below 1.
        DataError: a source cannot be used, or no class has enough objects; `folder` is not empty,
            cannot be written, or the disk is full.
    """
    check_numbers(settings.seed, workers)
    told = progress or (lambda step, done, total: None)
    photographs, backgrounds = open_dataset(objects), open_dataset(scenes)
    stuff = check_sources(photographs, backgrounds)
    with appearing(folder) as unfinished:
        parts = unfinished / PARTS
        stocks, found = fill_stocks(photographs, backgrounds, parts, settings, told)
        names, left_out = choose_classes(stocks, settings.needed)
        classes = joined_classes(stuff, names)
        stocks = {split: _only(stock, names) for split, stock in stocks.items()}
        labels = {name: index for index, name in enumerate(names, start=len(stuff))}
        clusters = {name: found.get(name, {}) for name in names}
        write_plan(unfinished, Plan(labels=labels, stocks=stocks, clusters=clusters))
        origins = _render_all(unfinished, settings, workers, told)
        result = Composition(
            images=settings.counts,
            classes=classes,
            objects={split: _by_name(count_objects(stocks[split]), names) for split in SPLITS},
            instances={split: _by_name(_count(origins[split]), names) for split in SPLITS},
            left_out=left_out,
            clusters=clusters,
        )
        sources = {"objects": photographs.name, "scenes": backgrounds.name}
        manifest = _manifest(result, settings, sources | {"parts_sha256": _digest(parts)})
        shutil.rmtree(parts)
        (unfinished / "classes.json").write_bytes(classes_json(classes))
        _write_json(unfinished / "sources.json", msgspec.to_builtins(origins))
        _write_json(unfinished / "manifest.json", manifest)
    return result


def _only(stock: Stock, names: Sequence[str]) -> Stock:
    kept = tuple(piece for piece in stock.objects if piece.name in names)
    return Stock(objects=kept, scenes=stock.scenes)


def _render_all(
    folder: Path, settings: CompositionSettings, workers: int | None, told: Step
) -> dict[str, dict[str, Origin]]:
    """Write all pictures; the origin of each by split and stem, in order."""
    tasks = []
    for branch, (split, count) in enumerate(settings.counts.items()):
        for kind in ("images", "masks", "instances"):
            (folder / kind / split).mkdir(parents=True)
        for first in range(0, count, CHUNK):
            size = min(CHUNK, count - first)
            tasks.append(
                Task(folder=folder, seed=settings.seed, branch=branch, first=first, count=size)
            )
    done, made = 0, {}
    for task, origins in finished(render, tasks, workers):
        made[task.branch, task.first] = origins
        done += task.count
        told("images", done, settings.images)
    found: dict[str, dict[str, Origin]] = {split: {} for split in SPLITS}
    for (branch, first), origins in sorted(made.items()):
        for number, origin in enumerate(origins, start=first):
            found[SPLITS[branch]][f"{number:06d}"] = origin
    return found


def _count(origins: Mapping[str, Origin]) -> Counter[str]:
    return Counter(name for origin in origins.values() for name in origin.classes)


def _by_name(counts: Counter[str], names: Sequence[str]) -> dict[str, int]:
    return {name: counts[name] for name in names}


def _digest(parts: Path) -> str:
    """SHA-256 of all parts: two machines that agree in it were given the same sources."""
    digest = hashlib.sha256()
    for path in sorted(parts.rglob("*.png")):
        digest.update(path.relative_to(parts).as_posix().encode())
        digest.update(hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()


def _manifest(
    result: Composition, settings: CompositionSettings, sources: dict[str, str]
) -> dict[str, object]:
    return {
        "dataset": "composed",
        "generator_version": VERSION,
        "opencv_version": cv2.__version__,
        "seed": settings.seed,
        "grouped": settings.grouped,
        "least": settings.least,
        "keep_splits": settings.keep_splits,
        "height": HEIGHT,
        "width": WIDTH,
        "sources": sources,
        "images": result.images,
        "classes": [info.name for info in result.classes],
        "objects": result.objects,
        "instances": result.instances,
        "left_out": result.left_out,
        "clusters": result.clusters,
    }


def _write_json(path: Path, content: object) -> None:
    path.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
