"""COCO's format of detections with masks: one list of objects, `instances.json`.

Source: cocodataset.org/#format-results
"""

from __future__ import annotations

from pathlib import Path

import msgspec
import numpy as np

from maskattn_edge.scores import object_masks
from maskattn_models.evaluation.submissions.submission import (
    Numbering,
    PredictedPicture,
    SubmissionWriter,
    segments_in,
)


class CocoInstances(SubmissionWriter):
    """Masks are run lengths as the COCO API compresses them."""

    def __init__(self, folder: Path, numbering: Numbering) -> None:
        super().__init__(folder, numbering)
        self._things = np.array([info.thing for info in numbering.classes], bool)
        self._results: list[dict[str, object]] = []

    def add(self, picture: PredictedPicture) -> None:
        """See `SubmissionWriter`."""
        segments = segments_in(picture)
        self._results += [
            {
                "image_id": picture.image_id,
                "category_id": self.numbering.category_ids[item.label],
                "segmentation": {
                    "size": list(segments.map.shape),
                    "counts": item.counts.decode("ascii"),
                },
                "score": item.score,
            }
            for item in object_masks(segments, self._things)
        ]

    def finish(self) -> None:
        """See `SubmissionWriter`."""
        (self.folder / "instances.json").write_bytes(msgspec.json.encode(self._results))
