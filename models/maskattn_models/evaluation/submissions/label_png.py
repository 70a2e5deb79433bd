"""Semantic predictions: a PNG of official class numbers for each image, named like the image.

ADE20K's server and Cityscapes' take this form; Cityscapes finds a picture by the city, sequence
and frame that its name starts with.

Source: github.com/CSAILVision/sceneparsing; github.com/mcordts/cityscapesScripts
"""

from __future__ import annotations

import numpy as np

from maskattn_models.evaluation.submissions.submission import PredictedPicture, SubmissionWriter


class LabelPng(SubmissionWriter):
    """8 bits, or 16 where a class has a number above 255."""

    def add(self, picture: PredictedPicture) -> None:
        """See `SubmissionWriter`."""
        ids = self.numbering.category_ids
        table = np.zeros(256, np.uint8 if max(ids) < 256 else np.uint16)
        table[: len(ids)] = ids
        self.save_png(f"{picture.stem}.png", table[picture.labels])
