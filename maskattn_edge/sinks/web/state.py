"""Everything that the page can ask for, shared by the sink and the viewers' threads."""

from __future__ import annotations

import json
import math
from typing import Any

from maskattn_edge.contract.spec import ModelSpec
from maskattn_edge.frame import Frame
from maskattn_edge.segmentation import Segmentation
from maskattn_edge.sinks.web.card import card
from maskattn_edge.sinks.web.history import History
from maskattn_edge.sinks.web.newest import Newest


class State:
    """The newest frame, the last minute, the figures and the model.

    `opacity` is what a page starts with.
    """

    def __init__(self, *, opacity: float) -> None:
        self.opacity = opacity
        self.newest = Newest()
        self._history = History()
        self._figures: dict[str, Any] | None = None
        self._spec: ModelSpec | None = None
        self._card: dict[str, object] | None = None

    def put(self, frame: Frame, answer: Segmentation) -> None:
        """Take a frame."""
        if answer.spec is not self._spec:
            self._spec, self._card = answer.spec, card(answer.spec)
        if answer.times is not None:
            self._history.add(answer.times)
        self.newest.put(frame, answer)

    def observe(self, figures: dict[str, Any]) -> None:
        """Take the figures of a second."""
        self._history.close_second(figures)
        self._figures = figures

    def run_json(self) -> bytes:
        """How the run stands, as JSON: null for what is not known yet."""
        entry = {
            "opacity": self.opacity,
            "figures": self._figures,
            "history": self._history.entries(),
            "model": self._card,
        }
        return json.dumps(_finite(entry), separators=(",", ":"), allow_nan=False).encode()


def _finite(value: object) -> object:
    """The same with None for numbers that JSON cannot hold; a stranger's file may hold them."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_finite(item) for item in value]
    return value
