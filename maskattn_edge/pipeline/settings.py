"""How a run is done."""

from __future__ import annotations

from dataclasses import dataclass

from maskattn_edge.contract.errors import ContractError


@dataclass(frozen=True, kw_only=True)
class Settings:
    """How a run is done; the defaults suit a robot.

    Args:
        max_frames: stop after so many processed frames; None goes on to the end of the source.
        max_fps: process at most so many frames per second; None takes all that come.
        warmup_frames: inferences before the first frame, which no figure counts.
        queue_frames: frames that wait in front of each sink, and in front of the engine where
            the source is a file.

    Raises:
        ContractError: a number is out of range.
    """

    max_frames: int | None = None
    max_fps: float | None = None
    warmup_frames: int = 2
    queue_frames: int = 4

    def __post_init__(self) -> None:
        if self.max_frames is not None and self.max_frames < 1:
            raise ContractError(f"max_frames must be 1 or more, got {self.max_frames}")
        if self.max_fps is not None and not self.max_fps > 0:
            raise ContractError(f"max_fps must be above 0, got {self.max_fps}")
        if self.warmup_frames < 0:
            raise ContractError(f"warmup_frames must be 0 or more, got {self.warmup_frames}")
        if self.queue_frames < 1:
            raise ContractError(f"queue_frames must be 1 or more, got {self.queue_frames}")
