"""What a study found, as files: `result.json` of each run, `results.json` of all."""

from __future__ import annotations

from pathlib import Path
from typing import TypeVar

import msgspec

from maskattn_edge.contract.atomic import write_bytes
from maskattn_edge.contract.errors import DataError, SinkError

SCHEMA = 1


class RunResult(msgspec.Struct, frozen=True, kw_only=True):
    """One run: what it was, and the scores of its best epoch.

    Attributes:
        arm: name of the arm.
        seed: of weights, order, augmentation and subset.
        images: different training images.
        gflops: operations of one frame, 2 x MAC, in 10^9.
        parameters: how many.
        best_epoch: by the validation mIoU.
        val_miou: of that epoch, a fraction.
        miou: on the study's split and the network's grid, a fraction.
        full_miou: the same at the images' own size.
        keys_kept: share of keys that each mask kept on that split.
        seconds: of training.
        device: that trained.
        date: UTC, when the run was complete.
    """

    arm: str
    seed: int
    images: int
    gflops: float
    parameters: int
    best_epoch: int
    val_miou: float
    miou: float
    full_miou: float
    keys_kept: dict[str, float]
    seconds: float
    device: str
    date: str


class StudyResult(msgspec.Struct, frozen=True, kw_only=True):
    """The runs of a study that are complete, and what they have in common.

    `recipe` names what else all runs share; results from before it was noted have none.
    """

    schema: int = SCHEMA
    plan: str
    title: str
    baseline: str
    arms: dict[str, str]
    data: str
    split: str
    size: str
    height: int
    width: int
    classes: int
    epochs: int
    batch: int
    planned: int
    runs: list[RunResult]
    recipe: dict[str, str | float] = {}

    def of_arm(self, arm: str) -> dict[int, RunResult]:
        """The complete runs of an arm, by seed."""
        return {run.seed: run for run in sorted(self.runs, key=_seed) if run.arm == arm}


def write_json(path: Path, value: msgspec.Struct) -> None:
    """Write a result as JSON, atomically.

    Raises:
        SinkError: the folder cannot be written, or the disk is full.
    """
    try:
        write_bytes(path, msgspec.json.format(msgspec.json.encode(value), indent=2) + b"\n")
    except OSError as error:
        raise unwritable(path, error) from error


def read_run(path: Path) -> RunResult | None:
    """A run's result; None if there is none yet.

    Raises:
        DataError: the file is damaged.
    """
    return _read(path, RunResult) if path.exists() else None


def read_result(folder: Path) -> StudyResult:
    """The result of a study in `folder`.

    Raises:
        DataError: there is none, or it is damaged.
    """
    path = folder / "results.json"
    if not path.exists():
        raise DataError(f"{path}: no such file: {folder} holds no study with a complete run")
    result = _read(path, StudyResult)
    if result.schema != SCHEMA:
        raise DataError(f"{path}: has schema {result.schema}, this release reads {SCHEMA}")
    return result


def unwritable(path: Path, error: OSError) -> SinkError:
    """The error of a file that cannot be written."""
    return SinkError(
        f"{path}: cannot write ({error.strerror}): free some space or choose another --out"
    )


Read = TypeVar("Read", RunResult, StudyResult)


def _read(path: Path, kind: type[Read]) -> Read:
    try:
        return msgspec.json.decode(path.read_bytes(), type=kind)
    except (OSError, msgspec.MsgspecError) as error:
        raise DataError(f"{path}: damaged ({error}): remove it and run the study again") from error


def _seed(run: RunResult) -> int:
    return run.seed
