"""Write a data set as arrays, once, so that training and evaluation need not decode it again."""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import cv2
import msgspec
import numpy as np
from numpy.typing import NDArray

from maskattn_edge._version import __version__
from maskattn_edge.contract.atomic import write_bytes
from maskattn_edge.contract.errors import UsageError
from maskattn_edge.disk import check_space, no_room
from maskattn_edge.preprocess import Resize
from maskattn_edge.segments import Segments
from maskattn_models.data.array_file import ArrayFile
from maskattn_models.data.dataset import SEMANTIC, DataSet, Sample
from maskattn_models.data.manifest import (
    NAME,
    Manifest,
    OfficialEntry,
    SampleList,
    SplitEntry,
    manifest_json,
)
from maskattn_models.data.store import Grid, fit_sample

WORKING_SCALE = 1.5
"""How much larger than the network's grid the training split is kept, as training crops from it."""

_CHUNK = 64  # pictures in work at a time: bounds memory when the disk is slow
Step = Callable[[str, int, int], None]
"""Told (what, done, total) as work goes on."""


@dataclass(frozen=True, kw_only=True)
class ConversionSettings:
    """The size of what is written.

    Args:
        height: of the network's grid, in pixels; `val` and `test` are kept at this size.
        width: of the network's grid, in pixels.
        working_scale: the training split is this much larger.
        resize: how an image is brought to these sizes.

    Raises:
        UsageError: a number is out of range.
    """

    height: int = 128
    width: int = 128
    working_scale: float = WORKING_SCALE
    resize: Resize = "stretch"

    def __post_init__(self) -> None:
        if not (8 <= self.height <= 4096 and 8 <= self.width <= 4096):
            raise UsageError(f"a grid is 8 to 4096 pixels a side, got {self.height}x{self.width}")
        if not 1 <= self.working_scale <= 4:
            raise UsageError(f"the working scale is 1 to 4, got {self.working_scale:g}")
        if self.resize not in ("stretch", "letterbox"):
            raise UsageError(f"unknown resize {self.resize!r}; available: stretch, letterbox")

    def size(self, split: str) -> tuple[int, int]:
        """(height, width) at which a split is kept, as training will ask for it."""
        scale = self.working_scale if split == "train" else 1.0
        return round(self.height * scale), round(self.width * scale)


@dataclass(frozen=True, kw_only=True)
class Origin:
    """Where a set came from: its reader, folder, kind of annotations, and downloads' SHA-256."""

    reader: str
    source: Path
    annotations: str = ""
    downloads: Mapping[str, str] = field(default_factory=dict)


def convert(
    dataset: DataSet,
    folder: Path,
    settings: ConversionSettings,
    origin: Origin,
    *,
    splits: Sequence[str],
    progress: Step,
) -> Manifest:
    """Write the arrays of `splits` into `folder`, and the manifest last.

    Each split appears under its name when it is whole; what an interrupted run left is removed.

    Raises:
        UsageError: the data set has no such split.
        DataError: a file cannot be used, or the disk is full.
    """
    folder.mkdir(parents=True, exist_ok=True)
    segments = dataset.tasks != SEMANTIC
    sizes = {split: settings.size(split) for split in splits}
    pixels = sum(len(dataset.split(split)) * h * w for split, (h, w) in sizes.items())
    check_space(folder, pixels * (6 if segments else 4), f"the arrays of {dataset.name}")
    entries = {}
    for split, (height, width) in sizes.items():
        grid = Grid(height=height, width=width, resize=settings.resize, segments=segments)
        entries[split] = _write_split(dataset, split, folder, grid, origin, progress)
    manifest = Manifest(
        name=dataset.name,
        reader=origin.reader,
        annotations=origin.annotations,
        source=os.path.relpath(origin.source.resolve(), folder.resolve()),
        classes=dataset.classes,
        tasks=tuple(sorted(dataset.tasks)),
        grid=(settings.height, settings.width),
        working_scale=settings.working_scale,
        resize=settings.resize,
        splits=entries,
        official={split: _official(dataset, split, origin.source) for split in splits},
        downloads=dict(origin.downloads),
        versions={"maskattn_edge": __version__, "opencv": cv2.__version__},
    )
    write_bytes(folder / NAME, manifest_json(manifest))
    return manifest


def _write_split(
    dataset: DataSet, split: str, folder: Path, grid: Grid, origin: Origin, progress: Step
) -> SplitEntry:
    unfinished = folder / f".{split}.tmp"
    shutil.rmtree(unfinished, ignore_errors=True)
    try:
        unfinished.mkdir()
        hashes = _write_arrays(dataset, split, unfinished, grid, progress)
        listed = msgspec.json.encode(_list(dataset, split, origin.source))
        (unfinished / "samples.json").write_bytes(listed)
        hashes["samples.json"] = hashlib.sha256(listed).hexdigest()
        shutil.rmtree(folder / split, ignore_errors=True)
        unfinished.replace(folder / split)
    except OSError as error:
        raise no_room(folder, error) from error
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)
    return SplitEntry(
        images=len(dataset.split(split)), height=grid.height, width=grid.width, sha256=hashes
    )


def _write_arrays(
    dataset: DataSet, split: str, folder: Path, grid: Grid, progress: Step
) -> dict[str, str]:
    samples = dataset.split(split)
    shape = (len(samples), grid.height, grid.width)
    found: list[Segments] = []
    with (
        ArrayFile(folder / "images.npy", (*shape, 3), np.uint8) as images,
        ArrayFile(folder / "labels.npy", shape, np.uint8) as labels,
        ArrayFile(folder / "segments.npy", shape, np.uint16) as maps,
        ThreadPoolExecutor() as pool,
    ):
        for first in range(0, len(samples), _CHUNK):
            chunk = samples[first : first + _CHUNK]
            fitted = pool.map(lambda sample: fit_sample(sample, dataset, grid), chunk)
            for index, (image, truth, parts) in enumerate(fitted, start=first + 1):
                images.append(image)
                labels.append(truth)
                if parts is not None:
                    maps.append(parts.map)
                    found.append(Segments(map=_NO_MAP, label=parts.label, crowd=parts.crowd))
                progress(f"{dataset.name} {split}", index, len(samples))
    hashes = {"images.npy": images.sha256(), "labels.npy": labels.sha256()}
    if not grid.segments:
        (folder / "segments.npy").unlink()
        return hashes
    return hashes | {"segments.npy": maps.sha256()} | _write_tables(folder, found)


_NO_MAP = np.zeros((0, 0), np.uint16)


def _write_tables(folder: Path, found: list[Segments]) -> dict[str, str]:
    tables: dict[str, NDArray[np.generic]] = {
        "segment_offsets.npy": np.cumsum([0, *(len(parts) for parts in found)], dtype=np.int64),
        "segment_labels.npy": np.concatenate([parts.label for parts in found]),
        "segment_crowds.npy": np.concatenate([parts.crowd for parts in found]),
    }
    hashes = {}
    for name, table in tables.items():
        with ArrayFile(folder / name, table.shape, table.dtype) as file:
            file.append(table)
        hashes[name] = file.sha256()
    return hashes


def _list(dataset: DataSet, split: str, source: Path) -> SampleList:
    ids = [truth.image_ids for truth in dataset.official.get(split, ())]
    return SampleList(
        files=[_relative(sample, source) for sample in dataset.split(split)],
        image_ids=list(ids[0]) if ids else [],
    )


def _relative(sample: Sample, source: Path) -> tuple[str, str | None, str | None]:
    def name(path: Path | None) -> str | None:
        return None if path is None else path.relative_to(source).as_posix()

    return sample.image.relative_to(source).as_posix(), name(sample.mask), name(sample.instances)


def _official(dataset: DataSet, split: str, source: Path) -> tuple[OfficialEntry, ...]:
    return tuple(
        OfficialEntry(
            kind=truth.kind,
            annotations=truth.annotations.relative_to(source).as_posix(),
            pictures=None if truth.pictures is None else _folder(truth.pictures, source),
            category_ids=truth.category_ids,
        )
        for truth in dataset.official.get(split, ())
    )


def _folder(path: Path, source: Path) -> str:
    return path.relative_to(source).as_posix()
