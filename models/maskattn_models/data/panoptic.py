"""Truth in COCO's panoptic format: a PNG whose colours are segment ids, and a JSON beside it.

Source: Kirillov et al., Panoptic Segmentation, CVPR 2019; cocodataset.org/#format-data, 4.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from maskattn_edge.contract.errors import DataError
from maskattn_edge.segments import Segments
from maskattn_models.data.class_tables import ClassTable
from maskattn_models.data.coco_json import Once, PanopticEntry, PanopticFile, read_json
from maskattn_models.data.dataset import OfficialTruth, Sample
from maskattn_models.data.files import check_present
from maskattn_models.data.masks import mask_of, naming, read_colors
from maskattn_models.data.numbering import Meaning, number_segments, present


@dataclass(frozen=True, kw_only=True)
class PanopticSplit:
    """Where a split lies: its pictures, its PNG files, and the JSON."""

    images: Path
    pictures: Path
    annotations: Path


class PanopticTruth:
    """Segments by the ids in PNG files; a JSON is read when its first sample is.

    Void is id 0.
    """

    def __init__(self, splits: Mapping[str, PanopticSplit], table: ClassTable) -> None:
        self._index = table.index_of()
        self._files = {place.pictures: place.annotations for place in splits.values()}
        self._parsed = {
            path: Once(partial(read_json, path, PanopticFile)) for path in self._files.values()
        }
        self._entries = {
            folder: Once(partial(self._by_name, path)) for folder, path in self._files.items()
        }

    def content(self, annotations: Path) -> PanopticFile:
        """The JSON of a split."""
        return self._parsed[annotations]()

    def _by_name(self, annotations: Path) -> dict[str, PanopticEntry]:
        return {entry.file_name: entry for entry in self.content(annotations).annotations}

    def labels(self, sample: Sample) -> NDArray[np.uint8]:
        """See `Truth`."""
        return self.segments(sample).labels(crowds=False)

    def segments(self, sample: Sample) -> Segments:
        """See `Truth`; segment k is entry k of the picture's `segments_info`."""
        path = mask_of(sample)
        annotations = self._files[path.parent]
        entry = self._entries[path.parent]().get(path.name)
        if entry is None:
            raise DataError(f"{path}: {annotations.name} says nothing of it: download both again")
        ids = _ids(path)
        listed = {segment.id for segment in entry.segments_info}
        if unlisted := [value for value in present(ids) if value and value not in listed]:
            raise DataError(
                f"{path}: holds the segment {unlisted[0]}, which {annotations.name} does not list: "
                "the two are of different versions: download both again"
            )
        for segment in entry.segments_info:
            if segment.category_id not in self._index:
                raise DataError(
                    f"{annotations}: segment {segment.id} of {path.name} has the category "
                    f"{segment.category_id}, which is none of the set's: correct it"
                )
        known = {
            segment.id: Meaning(self._index[segment.category_id], segment.iscrowd != 0)
            for segment in entry.segments_info
        }
        with naming(path):
            return number_segments(ids, known)


def list_panoptic(
    truth: PanopticTruth, place: PanopticSplit, table: ClassTable
) -> tuple[tuple[Sample, ...], OfficialTruth]:
    """The samples of a split, in the JSON's order, and its official truth.

    Raises:
        DataError: the JSON cannot be read, or names a file that is not there.
    """
    content = truth.content(place.annotations)
    names = {image.id: image.file_name for image in content.images}
    samples, ids = [], []
    for entry in content.annotations:
        if entry.image_id not in names:
            raise DataError(
                f"{place.annotations}: annotates the image {entry.image_id}, which it does not "
                "list: download or write it again"
            )
        image = place.images / names[entry.image_id]
        samples.append(Sample(image, place.pictures / entry.file_name))
        ids.append(entry.image_id)
    check_present("image", [sample.image for sample in samples], place.annotations)
    check_present("panoptic PNG", [mask_of(sample) for sample in samples], place.annotations)
    official = OfficialTruth(
        kind="panoptic",
        annotations=place.annotations,
        pictures=place.pictures,
        category_ids=table.ids,
        image_ids=tuple(ids),
    )
    return tuple(samples), official


def _ids(path: Path) -> NDArray[np.int32]:
    """R + 256 G + 65536 B of each pixel."""
    red, green, blue = np.moveaxis(read_colors(path).astype(np.int32), 2, 0)
    ids: NDArray[np.int32] = red + (green << 8) + (blue << 16)
    return ids
