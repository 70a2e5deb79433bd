"""`data check`: read every file of a data set, and name those that cannot be used."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from maskattn_edge.contract.classes import IGNORE
from maskattn_edge.contract.errors import DataError
from maskattn_edge.download import file_sha256
from maskattn_models.data.dataset import SEMANTIC, DataSet, Sample
from maskattn_models.data.layouts import open_dataset
from maskattn_models.data.manifest import is_prepared, read_manifest
from maskattn_models.data.pictures import load_sample, load_segments

Step = Callable[[str, int, int], None]
_CHUNK = 64


@dataclass(frozen=True, kw_only=True)
class Report:
    """What a check found.

    Args:
        name: of the data set.
        images: checked, by split.
        problems: one line for each file that cannot be used, in the order of the data.
        unlabelled: pictures of which no pixel is labelled, by split; they teach nothing.
        pixels: labelled pixels by class name.
    """

    name: str
    images: dict[str, int]
    problems: tuple[str, ...]
    unlabelled: dict[str, int]
    pixels: dict[str, int]

    @property
    def absent(self) -> tuple[str, ...]:
        """Classes that no pixel has."""
        return tuple(name for name, count in self.pixels.items() if count == 0)


def check_dataset(root: Path, annotations: str = "", *, progress: Step) -> Report:
    """Read all images and truth of a data set; of a prepared one its arrays too.

    Raises:
        DataError: it cannot be opened at all; then the message is the whole finding.
    """
    dataset = open_dataset(root, annotations)
    problems = list(_damaged_arrays(root, progress)) if is_prepared(root) else []
    counts = np.zeros(256, np.int64)
    unlabelled = {}
    for split in dataset.splits:
        unlabelled[split] = 0
        for line, found in _read_all(dataset, split, progress):
            if line is not None:
                problems.append(line)
            elif not found[:IGNORE].any():
                unlabelled[split] += 1
            counts += found
    return Report(
        name=dataset.name,
        images={split: len(samples) for split, samples in dataset.splits.items()},
        problems=tuple(problems),
        unlabelled=unlabelled,
        pixels={
            info.name: int(count) for info, count in zip(dataset.classes, counts, strict=False)
        },
    )


Finding = tuple[str | None, "np.ndarray[tuple[int], np.dtype[np.int64]]"]


def _read_all(dataset: DataSet, split: str, progress: Step) -> Iterator[Finding]:
    """For each sample what is wrong with it, or None, and its pixels by label, (256,)."""
    samples = dataset.split(split)
    with ThreadPoolExecutor() as pool:
        for first in range(0, len(samples), _CHUNK):
            chunk = samples[first : first + _CHUNK]
            found = pool.map(lambda sample: _read(sample, dataset), chunk)
            for done, finding in enumerate(found, start=first + 1):
                yield finding
                progress(f"{dataset.name} {split}", done, len(samples))


def _read(sample: Sample, dataset: DataSet) -> Finding:
    try:
        labels = load_sample(sample, dataset)[1]
        if dataset.tasks != SEMANTIC:
            segments = load_segments(sample, dataset)[1]
            hidden = np.flatnonzero(segments.areas() == 0)
            if len(hidden) and sample.mask is not None:  # outlines may cover each other
                raise DataError(
                    f"{sample.mask}: the annotations list segment {hidden[0] + 1} of "
                    f"{len(segments)}, but no pixel has its id: download both again"
                )
    except DataError as error:
        return str(error), np.zeros(256, np.int64)
    return None, np.bincount(labels.ravel(), minlength=256)


def _damaged_arrays(root: Path, progress: Step) -> Iterator[str]:
    for split, entry in read_manifest(root).splits.items():
        for done, (name, expected) in enumerate(entry.sha256.items(), start=1):
            path = root / split / name
            try:
                if file_sha256(path) != expected:
                    yield f"{path}: not as it was written: prepare the data set again"
            except DataError as error:
                yield str(error)
            progress(f"arrays of {split}", done, len(entry.sha256))
