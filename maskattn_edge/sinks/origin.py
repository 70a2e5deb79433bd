"""What sinks need to know of a source, which they do not import."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path
from typing import Protocol


class Origin(Protocol):
    """Where frames come from, as in `sources.Source`."""

    live: bool
    fps: float | None
    length: int | None
    path: Path | None
    folders: Collection[Path]
