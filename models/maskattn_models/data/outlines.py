"""Truth in COCO's detection format: polygons or run lengths per object, which may overlap.

Source: cocodataset.org/#format-data, 1 (object detection) and 3 (stuff segmentation).
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import msgspec
import numpy as np
from numpy.typing import NDArray

from maskattn_edge.contract.errors import DataError
from maskattn_edge.optional import require
from maskattn_edge.segments import Segments
from maskattn_models.data.class_tables import ClassTable
from maskattn_models.data.coco_json import (
    ImageEntry,
    InstancesFile,
    MaskEntry,
    Once,
    read_json,
)
from maskattn_models.data.dataset import OfficialTruth, Sample
from maskattn_models.data.files import check_present
from maskattn_models.data.numbering import MAX_SEGMENTS


@dataclass(frozen=True, kw_only=True)
class OutlineSplit:
    """Where a split lies: its pictures, and the JSON."""

    images: Path
    annotations: Path


class OutlineTruth:
    """Objects drawn one over another: crowds first, then the rest in the order of the file.

    That is how COCO's own tools flatten a picture; a crowd lies below, so that it hides no object
    that is told apart. Masks are drawn by faster-coco-eval, whose pixels are those of COCO's API.
    Pixels of no object, and of categories in `void`, are void. AP is to be taken from the file
    itself, see `OfficialTruth`.
    """

    def __init__(
        self, splits: Mapping[str, OutlineSplit], table: ClassTable, void: Collection[int] = ()
    ) -> None:
        self._index = table.index_of()
        self._void = frozenset(void)
        self._files = {place.images: place.annotations for place in splits.values()}
        self._parsed = {
            path: Once(partial(read_json, path, InstancesFile)) for path in self._files.values()
        }
        self._entries = {
            folder: Once(partial(self._by_name, path)) for folder, path in self._files.items()
        }

    def content(self, annotations: Path) -> InstancesFile:
        """The JSON of a split."""
        return self._parsed[annotations]()

    def _by_name(self, annotations: Path) -> dict[str, tuple[ImageEntry, list[MaskEntry]]]:
        return _by_name(self.content(annotations))

    def labels(self, sample: Sample) -> NDArray[np.uint8]:
        """See `Truth`."""
        return self.segments(sample).labels(crowds=False)

    def segments(self, sample: Sample) -> Segments:
        """See `Truth`; segments are numbered in the order of the file."""
        annotations = self._files[sample.image.parent]
        found = self._entries[sample.image.parent]().get(sample.image.name)
        if found is None:
            raise DataError(f"{sample.image}: {annotations.name} does not list it")
        image, entries = found
        kept = [entry for entry in entries if entry.category_id not in self._void]
        for entry in kept:
            if entry.category_id not in self._index:
                raise DataError(
                    f"{annotations}: an object of {image.file_name} has the category "
                    f"{entry.category_id}, which is none of the set's: correct it"
                )
        if len(kept) > MAX_SEGMENTS:
            raise DataError(f"{sample.image}: {annotations.name} lists {len(kept)} objects in it")
        numbers = np.zeros((image.height, image.width), np.uint16)
        order = sorted(range(len(kept)), key=lambda index: not kept[index].iscrowd)
        for index in order:
            try:
                numbers[_draw(kept[index], image)] = index + 1
            except (ValueError, TypeError, RuntimeError, msgspec.MsgspecError) as error:
                raise DataError(
                    f"{annotations}: object {index + 1} of {image.file_name} has no usable mask "
                    f"({error}): download or write it again"
                ) from error
        return Segments(
            map=numbers,
            label=np.array([self._index[entry.category_id] for entry in kept], np.uint8),
            crowd=np.array([entry.iscrowd != 0 for entry in kept], bool),
        )


def list_outlines(
    truth: OutlineTruth, place: OutlineSplit, table: ClassTable
) -> tuple[tuple[Sample, ...], OfficialTruth]:
    """The samples of a split, in the JSON's order, and its official truth.

    Raises:
        DataError: the JSON cannot be read, or names an image that is not there.
    """
    images = truth.content(place.annotations).images
    samples = tuple(Sample(place.images / image.file_name) for image in images)
    check_present("image", [sample.image for sample in samples], place.annotations)
    official = OfficialTruth(
        kind="instances",
        annotations=place.annotations,
        category_ids=table.ids,
        image_ids=tuple(image.id for image in images),
    )
    return samples, official


def _by_name(content: InstancesFile) -> dict[str, tuple[ImageEntry, list[MaskEntry]]]:
    found: dict[int | str, tuple[ImageEntry, list[MaskEntry]]] = {
        image.id: (image, []) for image in content.images
    }
    for entry in content.annotations:
        if entry.image_id in found:
            found[entry.image_id][1].append(entry)
    return {image.file_name: (image, entries) for image, entries in found.values()}


class _Runs(msgspec.Struct, frozen=True):
    """Run lengths down the columns, plain or in COCO's compressed text."""

    size: tuple[int, int]
    counts: list[int] | str


def _draw(entry: MaskEntry, image: ImageEntry) -> NDArray[np.bool_]:
    """The mask of one object, (H, W)."""
    tool = require(
        "faster_coco_eval.core.mask", purpose="reading COCO's object masks", extra="train"
    )
    height, width = image.height, image.width
    outline = msgspec.json.decode(entry.segmentation, type=list[list[float]] | _Runs)
    if isinstance(outline, list):
        polygons = [polygon for polygon in outline if len(polygon) >= 6]  # at least a triangle
        if not polygons:
            return np.zeros((height, width), bool)
        runs = tool.merge(tool.frPyObjects(polygons, height, width))
    elif outline.size != (height, width):
        raise ValueError(f"its size is {outline.size}, not that of the image")
    elif isinstance(outline.counts, list):
        runs = tool.frPyObjects(msgspec.to_builtins(outline), height, width)
    else:
        runs = msgspec.to_builtins(outline)
    mask: NDArray[np.bool_] = np.asarray(tool.decode(runs)).astype(bool)
    return mask
