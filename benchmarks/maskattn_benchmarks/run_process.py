"""`maskattn-edge run` as a user starts it: when the first result comes, and how large it grows."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from maskattn_edge.contract.errors import EngineError


@dataclass(frozen=True, kw_only=True)
class RunFigures:
    """Of one process. `first_ms`: from before it exists to its first result on standard output."""

    first_ms: float
    peak_mib: float


def measure_run(
    model: Path, engine: str, threads: int | None, images: Sequence[NDArray[np.uint8]]
) -> RunFigures:
    """Start `run` over `images`, (H, W, 3) uint8 BGR each, in a process of its own.

    Raises:
        EngineError: it fails.
    """
    with tempfile.TemporaryDirectory() as name:
        folder, summary = Path(name) / "images", Path(name) / "summary.json"
        folder.mkdir()
        for index, image in enumerate(images):
            cv2.imwrite(str(folder / f"{index:04d}.jpg"), image)
        command = [sys.executable, "-m", "maskattn_edge", "--no-config", "run", str(model)]
        command += ["--source", str(folder), "--engine", engine]
        command += ["--jsonl", "-", "--summary", str(summary)]
        command += [] if threads is None else ["--threads", str(threads)]
        first_ms = _first_line_ms(command)
        return RunFigures(
            first_ms=first_ms, peak_mib=json.loads(summary.read_text())["memory_peak_mb"]
        )


def _first_line_ms(command: list[str]) -> float:
    with tempfile.TemporaryFile() as said:
        began = time.monotonic()
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=said) as process:
            assert process.stdout is not None
            process.stdout.readline()
            first = time.monotonic()
            process.stdout.read()
        if process.returncode:
            said.seek(0)
            last = said.read().decode(errors="replace").strip().splitlines()[-1:]
            raise EngineError(f"`run` in a new process failed: {' '.join(last)[:300]}")
    return (first - began) * 1e3
