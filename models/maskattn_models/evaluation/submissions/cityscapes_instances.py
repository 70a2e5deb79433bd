"""Cityscapes' format of instances: a text file for each image, a mask for each object.

A line of the text is the mask's path beside it, the class's label id, and the score.

Source: github.com/mcordts/cityscapesScripts, evalInstanceLevelSemanticLabeling.py
"""

from __future__ import annotations

import numpy as np

from maskattn_models.evaluation.submissions.submission import (
    PredictedPicture,
    SubmissionWriter,
    segments_in,
)


class CityscapesInstances(SubmissionWriter):
    """Masks are 255 on the object and 0 elsewhere."""

    def add(self, picture: PredictedPicture) -> None:
        """See `SubmissionWriter`."""
        segments = segments_in(picture)
        things = np.array([info.thing for info in self.numbering.classes], bool)
        rows = np.flatnonzero(things[segments.label] & (segments.areas() > 0))
        lines = []
        for number, row in enumerate(rows.tolist()):
            name = f"masks/{picture.stem}_{number}.png"
            self.save_png(name, np.where(segments.map == row + 1, 255, 0).astype(np.uint8))
            label_id = self.numbering.category_ids[segments.label[row]]
            lines.append(f"{name} {label_id} {segments.score[row]:.6f}\n")
        (self.folder / f"{picture.stem}.txt").write_text("".join(lines), encoding="utf-8")
