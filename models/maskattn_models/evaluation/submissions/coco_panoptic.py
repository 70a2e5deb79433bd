"""COCO's panoptic format: `panoptic.json`, and a PNG for each image in `panoptic/`.

A pixel's colour is the number of its segment, R + 256 G + 65536 B; black is void. Cityscapes and
ADE20K use the same form for panoptic predictions.

Source: cocodataset.org/#format-results; github.com/cocodataset/panopticapi
"""

from __future__ import annotations

from pathlib import Path

import msgspec
import numpy as np
from numpy.typing import NDArray

from maskattn_edge.segments import Segments
from maskattn_models.evaluation.submissions.submission import (
    Numbering,
    PredictedPicture,
    SubmissionWriter,
    segments_in,
)

_FOLDER = "panoptic"


class CocoPanoptic(SubmissionWriter):
    """Segments without a pixel are left out: the official evaluator refuses them."""

    def __init__(self, folder: Path, numbering: Numbering) -> None:
        super().__init__(folder, numbering)
        self._annotations: list[dict[str, object]] = []

    def add(self, picture: PredictedPicture) -> None:
        """See `SubmissionWriter`."""
        segments, name = segments_in(picture), f"{picture.stem}.png"
        self.save_png(f"{_FOLDER}/{name}", _colors_bgr(segments.map))
        self._annotations.append(
            {
                "image_id": picture.image_id,
                "file_name": name,
                "segments_info": self._described(segments),
            }
        )

    def finish(self) -> None:
        """See `SubmissionWriter`."""
        text = msgspec.json.encode({"annotations": self._annotations})
        (self.folder / f"{_FOLDER}.json").write_bytes(text)

    def _described(self, segments: Segments) -> list[dict[str, object]]:
        boxes, areas = _boxes(segments), segments.areas()
        return [
            {
                "id": row + 1,
                "category_id": self.numbering.category_ids[segments.label[row]],
                "area": int(areas[row]),
                "bbox": boxes[row].tolist(),
                "iscrowd": 0,
            }
            for row in np.flatnonzero(areas).tolist()
        ]


def _colors_bgr(segment_map: NDArray[np.uint16]) -> NDArray[np.uint8]:
    high, low = np.divmod(segment_map, 256)
    return np.stack([np.zeros_like(low), high, low], axis=-1).astype(np.uint8)


def _boxes(segments: Segments) -> NDArray[np.int64]:
    """x, y, width, height of each segment, (S, 4); meaningless for one without a pixel."""
    y, x = np.nonzero(segments.map)
    row = segments.map[y, x].astype(np.int64) - 1
    low = np.full((len(segments), 2), max(segments.map.shape), np.int64)
    high = np.zeros((len(segments), 2), np.int64)
    for axis, places in enumerate((x, y)):
        np.minimum.at(low[:, axis], row, places)
        np.maximum.at(high[:, axis], row, places + 1)
    return np.concatenate([low, high - low], axis=1)
