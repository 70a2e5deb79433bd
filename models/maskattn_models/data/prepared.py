"""A prepared data set: one folder of arrays per split, mapped from disk."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, overload

import msgspec
import numpy as np
from numpy.typing import NDArray

from maskattn_edge.contract.classes import ClassInfo
from maskattn_edge.contract.errors import ContractError, DataError
from maskattn_edge.preprocess import Resize
from maskattn_edge.segments import Segments
from maskattn_models.data.coco_json import Once
from maskattn_models.data.dataset import DataSet, OfficialTruth, Sample, Truth
from maskattn_models.data.files import read_file
from maskattn_models.data.grids import GridStore, SegmentStore
from maskattn_models.data.manifest import (
    Manifest,
    SampleList,
    SplitEntry,
    is_prepared,
    read_manifest,
)
from maskattn_models.data.memory import available_bytes

__all__ = ["is_prepared", "open_prepared"]

ReadOriginal = Callable[[Path, str, tuple[ClassInfo, ...]], Truth]


def open_prepared(root: Path, readers: Mapping[str, ReadOriginal]) -> DataSet:
    """Open a prepared set; no array, original or annotation is read yet.

    `DataSet.prepared` maps the arrays. Samples name the originals, which calibration and full-size
    evaluation need; training and scores on the grid do not.

    Args:
        root: the folder with the manifest.
        readers: by name, how originals are read.

    Raises:
        DataError: the manifest or a list of samples is damaged.
    """
    manifest = read_manifest(root)
    if manifest.reader not in readers:
        raise DataError(f"{root}: prepared by the unknown reader {manifest.reader!r}")
    source = root / manifest.source
    lists = {split: _read_samples(root, split) for split in manifest.splits}
    for split, entry in manifest.splits.items():
        if len(lists[split].files) != entry.images:
            raise DataError(f"{root / split}: its samples are not as many as its images: {_AGAIN}")
    return DataSet(
        name=manifest.name,
        root=root,
        classes=manifest.classes,
        splits={split: _Samples(source, found.files) for split, found in lists.items()},
        tasks=frozenset(manifest.tasks),
        truth=_OriginalTruth(
            lambda: readers[manifest.reader](source, manifest.annotations, manifest.classes)
        ),
        official=_official(manifest, source, lists),
        hashes={split: split_hash(entry) for split, entry in manifest.splits.items()},
        prepared=_Arrays(root, manifest),
    )


def split_hash(entry: SplitEntry) -> str:
    """One SHA-256 for the arrays of a split, in hex."""
    lines = [f"{name} {digest}\n" for name, digest in sorted(entry.sha256.items())]
    return hashlib.sha256("".join(lines).encode()).hexdigest()


_AGAIN = "prepare the data set again"


class _Samples(Sequence[Sample]):
    """Samples made on demand: 118,000 paths would take most of a second."""

    def __init__(self, source: Path, files: list[tuple[str, str | None, str | None]]) -> None:
        self._source = source
        self._files = files

    def __len__(self) -> int:
        return len(self._files)

    @overload
    def __getitem__(self, index: int) -> Sample: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[Sample]: ...
    def __getitem__(self, index: int | slice) -> Sample | Sequence[Sample]:
        if isinstance(index, slice):
            return _Samples(self._source, self._files[index])
        image, mask, instances = self._files[index]
        return Sample(self._source / image, self._path(mask), self._path(instances))

    def _path(self, name: str | None) -> Path | None:
        return None if name is None else self._source / name


class _OriginalTruth:
    """The truth of the originals, opened when it is first asked for."""

    def __init__(self, open_truth: Callable[[], Truth]) -> None:
        self._truth = Once(open_truth)

    def labels(self, sample: Sample) -> NDArray[np.uint8]:
        """See `Truth`."""
        return self._truth().labels(sample)

    def segments(self, sample: Sample) -> Segments:
        """See `Truth`."""
        return self._truth().segments(sample)


class _Arrays:
    """Maps the arrays of a split; see `Prepared`."""

    def __init__(self, root: Path, manifest: Manifest) -> None:
        self._root = root
        self._manifest = manifest

    def __call__(self, split: str, height: int, width: int, resize: Resize) -> GridStore | None:
        entry = self._manifest.splits[split]
        if (entry.height, entry.width, self._manifest.resize) != (height, width, resize):
            return None
        folder = self._root / split
        try:
            store = GridStore(
                images=_map(folder / "images.npy"),
                labels=_map(folder / "labels.npy"),
                segments=_map_segments(folder) if "segments.npy" in entry.sha256 else None,
            )
        except ContractError as error:
            raise DataError(f"{folder}: its arrays do not fit each other: {_AGAIN}") from error
        if store.labels.shape != (entry.images, height, width):
            raise DataError(f"{folder}: its arrays are not those of the manifest: {_AGAIN}")
        return store


def _map_segments(folder: Path) -> SegmentStore:
    return SegmentStore(
        maps=_map(folder / "segments.npy"),
        offsets=_map(folder / "segment_offsets.npy"),
        label=_map(folder / "segment_labels.npy"),
        crowd=_map(folder / "segment_crowds.npy"),
    )


def _map(path: Path) -> NDArray[Any]:
    """Map an array. Changes stay in memory, so that PyTorch takes it without a warning."""
    try:
        array: NDArray[Any] = np.load(path, mmap_mode=_mode(path))
        return array
    except FileNotFoundError as error:
        raise DataError(f"{path}: no such file: {_AGAIN}") from error
    except (OSError, ValueError) as error:
        raise DataError(f"{path}: a damaged array ({error}): {_AGAIN}") from error


def _mode(path: Path) -> Literal["c", "r"]:
    """Copy on write where Linux allows it: it refuses to promise more pages than there are."""
    return "c" if path.stat().st_size < available_bytes() else "r"


def _read_samples(root: Path, split: str) -> SampleList:
    path = root / split / "samples.json"
    try:
        return msgspec.json.decode(read_file(path), type=SampleList)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise DataError(f"{path}: damaged ({error}): {_AGAIN}") from error


def _official(
    manifest: Manifest, source: Path, lists: Mapping[str, SampleList]
) -> dict[str, tuple[OfficialTruth, ...]]:
    return {
        split: tuple(
            OfficialTruth(
                kind=entry.kind,
                annotations=source / entry.annotations,
                pictures=None if entry.pictures is None else source / entry.pictures,
                category_ids=entry.category_ids,
                image_ids=lists[split].image_ids,
            )
            for entry in entries
        )
        for split, entries in manifest.official.items()
    }
