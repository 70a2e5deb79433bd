"""A study from a data set to its results, one ordinary training run after the other."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from maskattn_edge.contract.errors import TrainingError, UsageError
from maskattn_models.data import DataSet
from maskattn_models.study.manifest import Manifest
from maskattn_models.study.one_run import Run, train_and_score
from maskattn_models.study.plan import Arm, Plan
from maskattn_models.study.processes import side_by_side
from maskattn_models.study.report import write_plots, write_tables
from maskattn_models.study.results import RunResult, StudyResult, read_run, write_json
from maskattn_models.study.settings import StudySettings, describe, recipe_of
from maskattn_models.study.variants import offer_variants
from maskattn_models.training import Observer, TrainingInterrupted
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
    jobs: int = 1,
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
        jobs: runs at a time; more than one have a process each, and of a run's steps the observer
            is told nothing then.
        observer: told how it goes.
        stop: asked after each step and each scored image.

    Raises:
        UsageError, DataError: as `train` and `evaluate_file`; or `out` holds another study, or
            `jobs` is none.
        TrainingInterrupted: `stop` returned true; the results so far are written.
        TrainingError: runs failed; the results of the others are written.
        SinkError, CheckpointError: a file cannot be written.
    """
    if jobs < 1:
        raise UsageError(f"a study does 1 run at a time or more, got {jobs}")
    offer_variants()
    study = _Study(plan, dataset, settings, out, observer or StudyObserver(), stop)
    try:
        failed = study.run(jobs)
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
        self.found: dict[Run, RunResult] = {}
        self.runs = [
            Run(arm=arm, seed=seed, folder=out / "runs" / arm.name / f"seed-{seed}")
            for seed in range(settings.seeds)
            for arm in plan.arms
        ]
        self.planned = len(self.runs)
        self.manifest = Manifest(out, describe(plan, dataset, settings))

    def run(self, jobs: int) -> list[str]:
        """Do all runs; what failed, a sentence each."""
        waiting = []
        for run in self.runs:
            if (result := read_run(run.folder / "result.json")) is None:
                self.manifest.note(run.name, "waiting")
                waiting.append(run)
            else:
                self._complete(run, result)
        failed = []
        outcomes = self._in_turn(waiting) if jobs == 1 else self._side_by_side(waiting, jobs)
        for run, outcome in outcomes:
            if isinstance(outcome, TrainingInterrupted):
                raise outcome
            if isinstance(outcome, TrainingError):
                self.manifest.note(run.name, f"failed: {outcome}")
                self.observer.run_failed(run.arm, run.seed, outcome)
                failed.append(f"{run.name}: {outcome}")
            else:
                write_json(run.folder / "result.json", outcome)
                self._complete(run, outcome)
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
            runs=[self.found[run] for run in self.runs if run in self.found],
            recipe=recipe_of(self.plan, self.settings),
        )

    def _in_turn(self, runs: Sequence[Run]) -> Iterator[tuple[Run, RunResult | TrainingError]]:
        for run in runs:
            if self.stop():
                raise TrainingInterrupted("interrupted between two runs")
            self._start(run)
            try:
                yield (
                    run,
                    train_and_score(
                        run, self.dataset, self.settings, observer=self.observer, stop=self.stop
                    ),
                )
            except TrainingError as error:
                yield run, error

    def _side_by_side(
        self, runs: Sequence[Run], jobs: int
    ) -> Iterator[tuple[Run, RunResult | TrainingError]]:
        """As `_in_turn`; what ends after an interruption, complete or not, is still given."""
        interrupted: tuple[Run, TrainingError] | None = None
        for run, outcome in side_by_side(
            runs, self.dataset.root, self.settings, jobs=jobs, on_start=self._start, stop=self.stop
        ):
            if isinstance(outcome, TrainingInterrupted):
                interrupted = run, outcome
            else:
                yield run, outcome
        if interrupted is not None:
            yield interrupted
        elif self.stop() and len(self.found) < self.planned:
            raise TrainingInterrupted("interrupted before all runs had begun")

    def _start(self, run: Run) -> None:
        self.observer.run_started(run.arm, run.seed, done=len(self.found), runs=self.planned)
        self.manifest.note(run.name, "started")

    def _complete(self, run: Run, result: RunResult) -> None:
        self.manifest.note(run.name, "complete")
        self.found[run] = result
        write_tables(self.out, self.result())
        self.observer.run_complete(run.arm, result, done=len(self.found), runs=self.planned)
