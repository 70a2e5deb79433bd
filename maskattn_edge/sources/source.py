"""The interface of everything that frames come from."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Collection
from pathlib import Path

from maskattn_edge.closing import Closing
from maskattn_edge.frame import Frame
from maskattn_edge.sources.losses import NO_LOSSES, Losses


class Source(Closing, ABC):
    """Frames, one after the other. A context manager; one thread reads it.

    `live`: frames come at their own pace, and the newest counts; otherwise every frame counts.
    `fps`: frames per second of the recording or camera, None where there is no such thing.
    `length`: number of frames, None where it is not known before the end.
    `path`: the file or folder that is read, None where there is none.
    `folders`: those that pictures are read from by name, where results must not replace them.
    """

    live: bool = False
    fps: float | None = None
    length: int | None = None
    path: Path | None = None
    folders: Collection[Path] = ()

    @abstractmethod
    def read(self) -> Frame | None:
        """The next frame; None at the end.

        Raises:
            SourceError: the frame cannot be read.
        """

    @abstractmethod
    def describe(self) -> str:
        """What it is, for people: "bikes.mp4, 640x272, 25 frames/s"."""

    def losses(self) -> Losses:
        """How often and how long pictures failed to come; any thread may ask."""
        return NO_LOSSES

    def interrupt(self) -> None:  # noqa: B027 - most never wait for long
        """Let a `read` that waits for a lost camera return None; called by another thread."""

    def close(self) -> None:  # noqa: B027 - some sources hold nothing
        """Give back the device or file; may be called twice."""
