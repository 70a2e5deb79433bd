"""Predictions in the forms that official evaluators and servers take; one file per form."""

from maskattn_models.evaluation.submissions.submission import (
    Numbering,
    PredictedPicture,
    SubmissionWriter,
)
from maskattn_models.evaluation.submissions.table import (
    FORMATS,
    SubmissionFormat,
    official_ids,
    suitable_format,
)

__all__ = [
    "FORMATS",
    "Numbering",
    "PredictedPicture",
    "SubmissionFormat",
    "SubmissionWriter",
    "official_ids",
    "suitable_format",
]
