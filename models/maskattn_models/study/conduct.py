"""A study from a data set to its results, one ordinary training run after the other."""

from __future__ import annotations

import math
from dataclasses import replace
from datetime import datetime, timezone
from pathlib import Path

import torch

from maskattn_edge.contract.errors import DataError, TrainingError
from maskattn_models.checkpoint import load_checkpoint
from maskattn_models.cost import cost_of
from maskattn_models.data import DataSet
from maskattn_models.evaluation import evaluate_file
from maskattn_models.study.manifest import Manifest
from maskattn_models.study.plan import Arm, Plan
from maskattn_models.study.report import write_plots, write_tables
from maskattn_models.study.results import RunResult, StudyResult, read_run, write_json
from maskattn_models.study.settings import StudySettings, describe, recipe_of
from maskattn_models.study.subset import training_fraction
from maskattn_models.study.variants import offer_variants
from maskattn_models.training import Observer, TrainingInterrupted, TrainingSettings, train
from maskattn_models.training.device import choose_device
from maskattn_models.training.interruption import Stop, never


class StudyObserver(Observer):
    """An observer of training that is also told of runs."""

    def run_started(self, arm: Arm, seed: int, *, done: int, runs: int) -> None:
        """A run begins, or goes on; `done` of the `runs` are complete."""

    def run_complete(self, arm: Arm, result: RunResult, *, done: int, runs: int) -> None:
        """A run is complete, by now or since an earlier call."""

    def run_failed(self, arm: Arm, seed: int, error: TrainingError) -> None:
        """A run cannot go on; the study does."""


def conduct(
    plan: Plan,
    dataset: DataSet,
    settings: StudySettings,
    out: Path,
    *,
    observer: StudyObserver | None = None,
    stop: Stop = never,
) -> StudyResult:
    """Train and score every arm with every seed; what is complete in `out` is not done again.

    Seeds come one after the other, so that an interrupted study has all arms of the first ones.

    Args:
        plan: what is compared.
        dataset: with the splits `train`, `val` and the one that is scored.
        settings: of all runs.
        out: folder for `runs/ARM/seed-N/`, `study.json`, `results.json`, `results.md`,
            `scores.png` and `differences.png`.
        observer: told how it goes.
        stop: asked after each step and each scored image.

    Raises:
        UsageError, DataError: as `train` and `evaluate_file`; or `out` holds another study.
        TrainingInterrupted: `stop` returned true; the results so far are written.
        TrainingError: runs failed; the results of the others are written.
        SinkError, CheckpointError: a file cannot be written.
    """
    offer_variants()
    study = _Study(plan, dataset, settings, out, observer or StudyObserver(), stop)
    try:
        failed = study.run()
    except TrainingInterrupted as error:
        raise TrainingInterrupted(
            f"interrupted; {len(study.found)} of {study.planned} runs are complete, the same "
            "command goes on with the rest"
        ) from error
    finally:
        if study.found:
            write_plots(out, study.result())
    if failed:
        raise TrainingError(
            f"{len(failed)} of {study.planned} runs failed, the others are in {out}: {failed[0]}"
        )
    return study.result()


class _Study:
    def __init__(
        self,
        plan: Plan,
        dataset: DataSet,
        settings: StudySettings,
        out: Path,
        observer: StudyObserver,
        stop: Stop,
    ) -> None:
        self.plan, self.dataset, self.settings, self.out = plan, dataset, settings, out
        self.observer, self.stop = observer, stop
        self.found: list[RunResult] = []
        self.planned = len(plan.arms) * settings.seeds
        self.manifest = Manifest(out, describe(plan, dataset, settings))

    def run(self) -> list[str]:
        """Do all runs; what failed, a sentence each."""
        jobs = [(arm, seed) for seed in range(self.settings.seeds) for arm in self.plan.arms]
        for arm, seed in jobs:
            done = (self._folder(arm, seed) / "result.json").exists()
            self.manifest.note(_name(arm, seed), "complete" if done else "waiting")
        failed = []
        for arm, seed in jobs:
            try:
                self._complete(arm, seed)
            except TrainingInterrupted:
                raise
            except TrainingError as error:
                self.manifest.note(_name(arm, seed), f"failed: {error}")
                self.observer.run_failed(arm, seed, error)
                failed.append(f"{_name(arm, seed)}: {error}")
        return failed

    def result(self) -> StudyResult:
        """What is found so far."""
        network, training = self.settings.network, self.settings.training
        return StudyResult(
            plan=self.plan.name,
            title=self.plan.title,
            baseline=self.plan.baseline,
            arms={arm.name: arm.title for arm in self.plan.arms},
            data=self.dataset.name,
            split=self.settings.split,
            size=network.size,
            height=network.height,
            width=network.width,
            classes=network.classes,
            epochs=training.epochs,
            batch=training.batch,
            planned=self.planned,
            runs=self.found,
            recipe=recipe_of(self.plan, self.settings),
        )

    def _complete(self, arm: Arm, seed: int) -> None:
        folder, name = self._folder(arm, seed), _name(arm, seed)
        result = read_run(folder / "result.json")
        if result is None:
            if self.stop():
                raise TrainingInterrupted("interrupted between two runs")
            self.observer.run_started(arm, seed, done=len(self.found), runs=self.planned)
            self.manifest.note(name, "started")
            result = self._train_and_score(arm, seed, folder)
            write_json(folder / "result.json", result)
        self.manifest.note(name, "complete")
        self.found.append(result)
        write_tables(self.out, self.result())
        self.observer.run_complete(arm, result, done=len(self.found), runs=self.planned)

    def _train_and_score(self, arm: Arm, seed: int, folder: Path) -> RunResult:
        config = arm.network(self.settings.network)
        training = replace(self.settings.training, seed=seed, mask_share=arm.mask_share)
        dataset = training_fraction(self.dataset, arm.fraction, seed=seed)
        best = train(
            dataset,
            config,
            training,
            folder,
            resume=(folder / "last.pt").exists(),
            observer=self.observer,
            stop=self.stop,
        )
        scores = evaluate_file(
            folder / "best.pt", self.dataset, self.settings.split, progress=self._may_go_on
        )
        if math.isnan(scores.grid_miou):
            raise DataError(
                f"{self.dataset.root}: no pixel of the split {self.settings.split!r} is labelled"
            )
        cost, history = cost_of(config), load_checkpoint(folder / "last.pt").history
        return RunResult(
            arm=arm.name,
            seed=seed,
            images=len(set(dataset.split("train"))),
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

    def _may_go_on(self, done: int, total: int) -> None:
        if self.stop():
            raise TrainingInterrupted("interrupted while a run was scored")

    def _folder(self, arm: Arm, seed: int) -> Path:
        return self.out / "runs" / _name(arm, seed)


def _name(arm: Arm, seed: int) -> str:
    return f"{arm.name}/seed-{seed}"


def _device_name(settings: TrainingSettings) -> str:
    device = choose_device(settings.device)
    return torch.cuda.get_device_name(device) if device.type == "cuda" else "CPU"
