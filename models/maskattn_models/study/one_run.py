"""One run of a study: an ordinary training, and its score."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from datetime import datetime, timezone
from pathlib import Path

import torch

from maskattn_edge.contract.errors import DataError
from maskattn_models.checkpoint import load_checkpoint
from maskattn_models.cost import cost_of
from maskattn_models.data import DataSet
from maskattn_models.evaluation import evaluate_file
from maskattn_models.study.plan import Arm
from maskattn_models.study.results import RunResult
from maskattn_models.study.settings import StudySettings
from maskattn_models.study.subset import training_fraction
from maskattn_models.training import Observer, TrainingInterrupted, TrainingSettings, train
from maskattn_models.training.device import choose_device
from maskattn_models.training.interruption import Stop


@dataclass(frozen=True, kw_only=True)
class Run:
    """Which arm with which seed, and the folder that its files lie in."""

    arm: Arm
    seed: int
    folder: Path

    @property
    def name(self) -> str:
        """As messages and the manifest call it."""
        return f"{self.arm.name}/seed-{self.seed}"


def train_and_score(
    run: Run, dataset: DataSet, settings: StudySettings, *, observer: Observer, stop: Stop
) -> RunResult:
    """Train as far as that is not done, and score the best epoch.

    Raises:
        TrainingInterrupted: `stop` returned true.
        UsageError, DataError, TrainingError: as `train` and `evaluate_file`; or no pixel of the
            split is labelled.
    """
    config = run.arm.network(settings.network)
    training = replace(settings.training, seed=run.seed, mask_share=run.arm.mask_share)
    subset = training_fraction(dataset, run.arm.fraction, seed=run.seed)
    resume = (run.folder / "last.pt").exists()
    best = train(subset, config, training, run.folder, resume=resume, observer=observer, stop=stop)

    def may_go_on(done: int, total: int) -> None:
        if stop():
            raise TrainingInterrupted("interrupted while a run was scored")

    scores = evaluate_file(run.folder / "best.pt", dataset, settings.split, progress=may_go_on)
    if math.isnan(scores.grid_miou):
        raise DataError(f"{dataset.root}: no pixel of the split {settings.split!r} is labelled")
    cost, history = cost_of(config), load_checkpoint(run.folder / "last.pt").history
    return RunResult(
        arm=run.arm.name,
        seed=run.seed,
        images=len(set(subset.split("train"))),
        gflops=cost.gflops,
        parameters=cost.parameters,
        best_epoch=int(best.training["epochs"]),
        val_miou=best.metrics["val_miou"],
        miou=scores.grid_miou,
        full_miou=scores.full_miou,
        keys_kept=dict(scores.keys_kept),
        seconds=sum(row["seconds"] for row in history),
        device=_device_name(training),
        date=datetime.now(timezone.utc).isoformat(timespec="seconds"),
    )


def _device_name(settings: TrainingSettings) -> str:
    device = choose_device(settings.device)
    return torch.cuda.get_device_name(device) if device.type == "cuda" else "CPU"
