"""The interface of everything that results go to."""

from __future__ import annotations

import errno
from abc import ABC, abstractmethod

from maskattn_edge.closing import Closing
from maskattn_edge.contract.errors import SinkError
from maskattn_edge.frame import Frame
from maskattn_edge.segmentation import Segmentation


class Sink(Closing, ABC):
    """Takes results, one after the other. A context manager.

    One thread writes and closes it, which need not be the thread that made it.

    `name`: what it writes to, for people.
    `stop_requested`: the user closed it and wants the run to end.
    `notice`: what the user should read before the run, such as where to look; one line.
    `observes`: it wants to know how the run stands.
    """

    name: str
    notice: str = ""
    stop_requested: bool = False
    observes: bool = False

    @abstractmethod
    def write(self, frame: Frame, segmentation: Segmentation) -> None:
        """Take one result. The frame's picture is shared and must not be changed.

        Raises:
            SinkError: it cannot be written or shown.
        """

    def observe(self, figures: dict[str, object]) -> None:  # noqa: B027 - most do not care
        """How the run stands: the fields of `pipeline.Stats`, ready for JSON.

        Called once a second where `observes` is true, by another thread than `write`; it must be
        quick, raises nothing, and leaves `figures` as they are.
        """

    def close(self) -> None:  # noqa: B027 - some sinks hold nothing
        """Complete what was written; may be called twice.

        Raises:
            SinkError: it cannot be completed.
        """


def cannot_write(what: object, error: OSError) -> SinkError:
    """The error of an output that the system refuses, in one line."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return SinkError(f"{what}: the disk is full: free some space or write elsewhere")
    reason = error.strerror or str(error)
    return SinkError(f"{what}: cannot be written ({reason}): choose another place")
