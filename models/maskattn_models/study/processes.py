"""Runs of a study side by side, each in a process of its own.

A small network leaves most of a GPU idle: several runs at a time take little longer than one.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from multiprocessing.synchronize import Event
from pathlib import Path

import torch

from maskattn_edge.contract.errors import TrainingError
from maskattn_models.data import open_dataset
from maskattn_models.study.one_run import Run, train_and_score
from maskattn_models.study.results import RunResult
from maskattn_models.study.settings import StudySettings
from maskattn_models.study.variants import offer_variants
from maskattn_models.training import Observer
from maskattn_models.training.interruption import Stop, never

_POLL_S = 0.2

_stop: Stop = never  # in a run's own process: whether the study was asked to stop


def side_by_side(
    runs: Sequence[Run],
    root: Path,
    settings: StudySettings,
    *,
    jobs: int,
    on_start: Callable[[Run], None],
    stop: Stop,
) -> Iterator[tuple[Run, RunResult | TrainingError]]:
    """Each run with what came of it, as they end.

    Args:
        runs: what to do.
        root: folder of the data set, which each process opens.
        settings: of all runs.
        jobs: runs at a time.
        on_start: told when a run begins.
        stop: asked a few times a second; once it is true, runs end with `TrainingInterrupted`.

    Raises:
        MaskAttnError: any error of a run but `TrainingError`; the other runs are stopped.
    """
    spawn = multiprocessing.get_context("spawn")  # CUDA outlives no fork
    asked = spawn.Event()
    threads = max(1, (os.cpu_count() or 1) // jobs)
    pool = ProcessPoolExecutor(jobs, spawn, initializer=_begin, initargs=(asked, threads))
    try:
        futures = {pool.submit(_complete, run, root, settings): run for run in runs}
        yield from _as_they_end(futures, asked, on_start, stop)
    finally:
        asked.set()
        pool.shutdown(cancel_futures=True)


def _as_they_end(
    futures: dict[Future[RunResult], Run],
    asked: Event,
    on_start: Callable[[Run], None],
    stop: Stop,
) -> Iterator[tuple[Run, RunResult | TrainingError]]:
    waiting, started = set(futures), set()
    while waiting:
        done, waiting = wait(waiting, timeout=_POLL_S, return_when=FIRST_COMPLETED)
        for future in [*done, *(one for one in waiting if one.running())]:
            if future not in started and not future.cancelled():
                started.add(future)
                on_start(futures[future])
        if stop() and not asked.is_set():
            asked.set()
            waiting -= {future for future in waiting if future.cancel()}
        for future in done:
            yield futures[future], _outcome(future)


def _outcome(future: Future[RunResult]) -> RunResult | TrainingError:
    try:
        return future.result()
    except TrainingError as error:
        return error
    except BrokenProcessPool as error:
        raise TrainingError(
            "the process of a run was killed: is memory out? Repeat the command with fewer --jobs"
        ) from error


def _begin(asked: Event, threads: int) -> None:
    """In a new process: the study alone hears of Ctrl-C, and tells."""
    global _stop
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    torch.set_num_threads(threads)
    offer_variants()
    _stop = asked.is_set


def _complete(run: Run, root: Path, settings: StudySettings) -> RunResult:
    return train_and_score(run, open_dataset(root), settings, observer=Observer(), stop=_stop)
