"""Reader of the plain layout: `images/` and `masks/`, with or without train/val/test in both."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from maskattn_edge.contract.classes import IGNORE, ClassInfo, numbered_classes, read_classes
from maskattn_edge.contract.errors import DataError
from maskattn_models.data.dataset import EVERY_TASK, SEMANTIC, DataSet, Sample, Truth, label_table
from maskattn_models.data.files import IMAGE_SUFFIXES, check_present, list_folder, pair
from maskattn_models.data.masks import MaskTruth, mask_of, read_mask

SPLITS = ("train", "val", "test")
LAYOUT = "images/[train|val|test/]STEM.jpg and masks/[train|val|test/]STEM.png"


def recognises_folder(root: Path) -> bool:
    """Whether `root` has one of the two folders; if the other lacks, opening says so."""
    return (root / "images").is_dir() or (root / "masks").is_dir()


def open_folder(root: Path, annotations: str = "") -> DataSet:
    """Open a folder of images and masks; see `maskattn_models.data.open_dataset`.

    Raises:
        DataError: a folder or file is missing or alone; classes cannot be told.
    """
    images, masks = root / "images", root / "masks"
    for folder in (images, masks):
        if not folder.is_dir():
            raise DataError(f"{root}: has no folder {folder.name}/; expected {LAYOUT}")
    if any((part / split).is_dir() for part in (images, masks) for split in SPLITS):
        splits = _listed_splits(images, masks)
    else:
        splits = hash_splits(pair(images, masks))
    if not splits:
        raise DataError(f"{images}: no images ({', '.join(IMAGE_SUFFIXES)}); expected {LAYOUT}")
    if (root / "classes.json").exists():
        classes = read_classes(root / "classes.json")
    else:
        classes = _scanned_classes(root, splits.values())
    with_instances = (root / "instances").is_dir()
    if with_instances:
        splits = {name: _with_instances(root, samples) for name, samples in splits.items()}
        _check_things(root, classes)
    return DataSet(
        name=root.resolve().name,
        root=root,
        classes=classes,
        splits=splits,
        label_table=label_table(len(classes)),
        tasks=EVERY_TASK if with_instances else SEMANTIC,
    )


def folder_truth(root: Path, annotations: str, classes: tuple[ClassInfo, ...]) -> Truth:
    """How the masks are read: their values are class indices."""
    return MaskTruth(
        name=root.resolve().name, classes=classes, label_table=label_table(len(classes))
    )


def hash_splits(samples: tuple[Sample, ...]) -> dict[str, tuple[Sample, ...]]:
    """Share samples out, 80/10/10, by a hash of each image's stem.

    A sample's place depends on its own name: images that are added later move no other one from
    one split to another, except where a split would be left empty.

    Raises:
        DataError: there are one or two samples; each of the three splits needs one.
    """
    if not samples:
        return {}
    if len(samples) < 3:
        raise DataError(
            f"{samples[0].image.parent}: {len(samples)} labelled image(s), 3 or more are needed "
            "to have one each for train, val and test: add images"
        )
    order = sorted(samples, key=name_fraction)
    below = [sum(name_fraction(sample) < bound for sample in samples) for bound in (0.8, 0.9)]
    train = min(max(below[0], 1), len(samples) - 2)
    val = min(max(below[1], train + 1), len(samples) - 1)
    parts = (order[:train], order[train:val], order[val:])
    return {
        name: tuple(sorted(part, key=lambda sample: sample.image.name))
        for name, part in zip(SPLITS, parts, strict=True)
    }


def _with_instances(root: Path, samples: Sequence[Sample]) -> tuple[Sample, ...]:
    """The samples with their instance masks, which lie as the masks do."""
    masks = [mask_of(sample) for sample in samples]
    instances = [root / "instances" / path.relative_to(root / "masks") for path in masks]
    check_present("instance mask", instances, root / "masks")
    return tuple(
        Sample(sample.image, mask, path)
        for sample, mask, path in zip(samples, masks, instances, strict=True)
    )


def _check_things(root: Path, classes: Sequence[ClassInfo]) -> None:
    if not any(info.thing for info in classes):
        raise DataError(
            f"{root / 'instances'}: there are instance masks, but no class is a thing: mark those "
            'with objects "thing": true in classes.json'
        )


def name_fraction(sample: Sample) -> float:
    """Hash of the image's stem, in [0, 1): a place that does not depend on other images."""
    digest = hashlib.sha256(sample.image.stem.encode()).digest()
    return int.from_bytes(digest[:6], "big") / 2**48


def _listed_splits(images: Path, masks: Path) -> dict[str, tuple[Sample, ...]]:
    loose = [path for path in list_folder(images) if path.suffix.lower() in IMAGE_SUFFIXES]
    if loose:
        raise DataError(
            f"{loose[0]}: lies beside folders of splits, with {len(loose) - 1} more: move it into "
            f"one of {', '.join(SPLITS)}"
        )
    splits = {}
    for name in SPLITS:
        there = [folder / name for folder in (images, masks) if (folder / name).is_dir()]
        if len(there) == 1:
            lacking = (masks if there[0].parent == images else images) / name
            raise DataError(f"{there[0]}: its counterpart {lacking} is missing; expected {LAYOUT}")
        if there and (samples := pair(images / name, masks / name)):
            splits[name] = samples
    return splits


def _scanned_classes(root: Path, splits: Iterable[tuple[Sample, ...]]) -> tuple[ClassInfo, ...]:
    """Numbered classes, from the largest value in the masks other than 255."""
    masks = [mask_of(sample) for samples in splits for sample in samples]
    with ThreadPoolExecutor() as pool:
        largest = max(pool.map(_largest, masks))
    if largest < 1:
        raise DataError(
            f"{root / 'masks'}: the masks hold no class but 0 (255 is ignored): write class "
            "numbers 0, 1, 2, ... into the masks, for two classes 0 and 1, not 0 and 255"
        )
    return numbered_classes(largest + 1)


def _largest(path: Path) -> int:
    mask = read_mask(path)
    return int(mask.max(initial=0, where=mask != IGNORE))
