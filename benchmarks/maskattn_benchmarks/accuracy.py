"""Accuracy in the same report: `maskattn-edge evaluate`, in a process of its own.

The benchmarks know only the robot's package, and evaluation lives beside training; its JSON report
is what the two agree on. A process also keeps its memory and threads away from what is timed.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import msgspec

from maskattn_benchmarks.results import Accuracy
from maskattn_edge.contract.errors import DataError

_SCHEMA = 1


def evaluate(
    model: Path, data: Path, *, split: str, engine: str | None = None, limit: int | None = None
) -> Accuracy:
    """Score a model file on a data set, with an engine of the runtime; None takes the best.

    Raises:
        DataError: the evaluation fails; the message is its own.
    """
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "evaluation.json"
        words = ["evaluate", str(model), "--data", str(data), "--split", split]
        words += ["--json", str(report)]
        words += [] if engine is None else ["--engine", engine]
        words += [] if limit is None else ["--limit", str(limit)]
        done = subprocess.run(
            [sys.executable, "-m", "maskattn_edge", *words], capture_output=True, check=False
        )
        if done.returncode:
            lines = done.stderr.decode(errors="replace").strip().splitlines()
            said = lines[-1] if lines else f"exit code {done.returncode}"
            raise DataError(said.removeprefix("error: ")[:1000])
        return accuracy_from(report.read_bytes())


def accuracy_from(evaluation: bytes) -> Accuracy:
    """The scores out of an evaluation's JSON report; panoptic means as `pq`, `things_pq`, ...

    Raises:
        DataError: the report is of another schema.
    """
    try:
        report: dict[str, Any] = msgspec.json.decode(evaluation)
        if report["schema"] != _SCHEMA:
            raise DataError(f"the evaluation has schema {report['schema']}, expected {_SCHEMA}")
        entries = {key: report[key] for key in ("dataset", "split", "images", "runs_on")}
        classes = [
            {key: entry[key] for key in ("name", "grid_iou", "full_iou")}
            for entry in report["classes"]
        ]
        sizes = {size: _scores(report[size]) for size in ("grid", "full")}
        return msgspec.convert({**entries, **sizes, "classes": classes}, Accuracy)
    except (msgspec.MsgspecError, KeyError, TypeError) as error:
        raise DataError(f"the evaluation's report cannot be read: {error}") from error


def _scores(size: dict[str, Any]) -> dict[str, float | None]:
    scores: dict[str, float | None] = {}
    for name, value in size.items():
        if isinstance(value, dict):
            prefix = "" if name == "all" else f"{name}_"
            scores |= {f"{prefix}{part}": score for part, score in value.items()
                       if isinstance(score, (float, int)) or score is None}  # fmt: skip
        elif isinstance(value, (float, int)) and name not in ("height", "width"):
            scores[name] = float(value)
        elif value is None:
            scores[name] = None
    return scores
