"""A frame on its way through an engine, as every part of this project takes it."""

from __future__ import annotations

import time
from collections.abc import Callable

from maskattn_edge.engines.engine import Engine
from maskattn_edge.frame import Frame, FrameTimes
from maskattn_edge.preprocess import network_input
from maskattn_edge.segmentation import Segmentation


def segment(
    engine: Engine, frame: Frame, clock: Callable[[], float] = time.monotonic
) -> Segmentation:
    """Scale a frame, infer, and place the answer in the frame, with the times of each station.

    Raises:
        EngineError: the back end fails.
    """
    taken = clock()
    image, place = network_input(frame.image_bgr, engine.spec.input)
    prepared = clock()
    answer = engine.infer(image)
    times = FrameTimes(captured=frame.captured, taken=taken, prepared=prepared, inferred=clock())
    return answer.at(place, times, frame)
