"""One picture from a source, and when it passed each station."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from maskattn_edge.contract.errors import ContractError


@dataclass(frozen=True, kw_only=True, eq=False)
class Frame:
    """A frame as its source gave it. Sinks share the picture: nobody writes into it.

    Args:
        image_bgr: (H, W, 3) uint8 BGR.
        captured: when it was read, in seconds of the monotonic clock.
        index: number of the frame in its source, from 0; gaps are frames that were dropped.
        name: file name, where the frame is a file of its own.
        reopened: how often its source had been lost and opened again by then.

    Raises:
        ContractError: the picture has another shape or dtype.
    """

    image_bgr: NDArray[np.uint8]
    captured: float
    index: int
    name: str | None = None
    reopened: int = 0

    def __post_init__(self) -> None:
        shape = self.image_bgr.shape
        if len(shape) != 3 or shape[2] != 3 or self.image_bgr.dtype != np.uint8:
            raise ContractError(
                f"a frame is (H, W, 3) uint8, got shape {shape} of {self.image_bgr.dtype}"
            )


@dataclass(frozen=True, kw_only=True)
class FrameTimes:
    """When a frame passed each station, in seconds of the monotonic clock; NaN = not yet.

    `captured` by the camera, `taken` by the engine's thread, `prepared` as the network's input,
    `inferred` with its labels on the host, `delivered` to a sink.
    """

    captured: float
    taken: float = float("nan")
    prepared: float = float("nan")
    inferred: float = float("nan")
    delivered: float = float("nan")

    @property
    def latency_ms(self) -> float:
        """From the engine's taking the frame to its labels on the host."""
        return (self.inferred - self.taken) * 1e3

    @property
    def engine_ms(self) -> float:
        """Of that, the engine alone."""
        return (self.inferred - self.prepared) * 1e3

    @property
    def age_ms(self) -> float:
        """From capture to delivery."""
        return (self.delivered - self.captured) * 1e3
