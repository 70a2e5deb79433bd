"""What went wrong with a live source, counted."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Losses:
    """How often and how long a live source gave no pictures.

    Args:
        reopened: times it was lost and gave pictures again.
        failures: attempts to open it again that failed.
        seconds: without a picture, in all; from the last one before each loss to the next.
        lost_s: of that, those of the loss that goes on; 0 while pictures come.
        broken_frames: pictures that came incomplete, and were left out.
        reason: of the last loss, or of the last failed attempt to end it; "" before the first.
    """

    reopened: int = 0
    failures: int = 0
    seconds: float = 0.0
    lost_s: float = 0.0
    broken_frames: int = 0
    reason: str = ""


NO_LOSSES = Losses()
