"""`study.json`: what a study compares, and how far each of its runs has come."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from maskattn_edge.contract.atomic import write_text
from maskattn_edge.contract.errors import DataError
from maskattn_models.study.results import unwritable
from maskattn_models.training.resume import check_same


class Manifest:
    """The states of all runs, written at each change.

    Args:
        folder: of the study.
        study: what decides it, as plain data; the number of seeds may grow.

    Raises:
        UsageError: the folder holds a study of other data or settings.
        DataError: its manifest is damaged.
        SinkError: the folder cannot be written.
    """

    def __init__(self, folder: Path, study: Mapping[str, Any]) -> None:
        self._path = folder / "study.json"
        self._study = json.loads(json.dumps(study))  # as it comes back from the file
        self._runs: dict[str, str] = {}
        if self._path.exists():
            former, self._runs = self._read()
            check_same(former, self._study, longer=False, what=f"the study in {folder}")

    def note(self, run: str, state: str) -> None:
        """Note the state of a run: waiting, started, complete, or what it failed with."""
        if self._runs.get(run) == state:
            return
        self._runs[run] = state
        content = {"study": self._study, "runs": self._runs}
        try:
            write_text(self._path, json.dumps(content, indent=2) + "\n")
        except OSError as error:
            raise unwritable(self._path, error) from error

    def _read(self) -> tuple[dict[str, Any], dict[str, str]]:
        try:
            content = json.loads(self._path.read_text(encoding="utf-8"))
            return dict(content["study"]), dict(content["runs"])
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise DataError(
                f"{self._path}: damaged: choose another --out, or remove it to go on with the "
                "runs beside it"
            ) from error
