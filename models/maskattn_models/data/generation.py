"""Write a generated data set: complete or not at all, by as many processes as there are."""

from __future__ import annotations

import errno
import multiprocessing
import os
import secrets
import shutil
import signal
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from multiprocessing.synchronize import Event
from pathlib import Path
from typing import TypeVar

import cv2
import numpy as np
from numpy.typing import NDArray

from maskattn_edge.contract.errors import DataError, UsageError

SPLITS = ("train", "val", "test")
CHUNK = 8
"""Images a task: small enough for a smooth progress bar."""

Task = TypeVar("Task")
Result = TypeVar("Result")


def shares(images: int) -> dict[str, int]:
    """Images of each split: a tenth is `val`, another `test`.

    Raises:
        UsageError: there are fewer than 10 in all.

    >>> shares(25)
    {'train': 21, 'val': 2, 'test': 2}
    """
    if images < 10:
        raise UsageError(
            f"a data set needs 10 images or more so that each split has one, got {images}"
        )
    held_out = images // 10
    return dict(zip(SPLITS, (images - 2 * held_out, held_out, held_out), strict=True))


def check_numbers(seed: int, workers: int | None) -> None:
    """Raise UsageError if the seed or the number of processes is out of range."""
    if seed < 0:
        raise UsageError(f"a seed is 0 or more, got {seed}")
    if workers is not None and workers < 1:
        raise UsageError(f"workers must be 1 or more, got {workers}")


def child_seed(seed: int, branch: int, index: int) -> int:
    """Seed of one picture: pictures differ between indices, branches (splits) and data sets."""
    sequence = np.random.SeedSequence(seed, spawn_key=(branch, index))
    return int(sequence.generate_state(1, np.uint64)[0])


def save(path: Path, image: NDArray[np.uint8], options: Sequence[int] = ()) -> None:
    """Encode a picture, colours as BGR, by the suffix of `path`. Raises OSError."""
    ok, coded = cv2.imencode(path.suffix, image, list(options))
    assert ok
    path.write_bytes(coded.tobytes())  # cv2.imwrite would not say why it fails


@contextmanager
def appearing(folder: Path) -> Iterator[Path]:
    """Yield a new folder beside `folder`; rename it so if the block succeeds, else remove it.

    Raises:
        DataError: `folder` is there and not empty, cannot be written, or the disk is full.
    """
    try:
        with _renamed(folder) as unfinished:
            yield unfinished
    except BrokenProcessPool as error:
        raise DataError(
            f"{folder}: a worker process died, nothing was kept; memory may be short: "
            "try fewer workers"
        ) from error
    except OSError as error:
        raise DataError(
            f"{folder}: cannot write the data set ({error.strerror or error}), nothing was kept; "
            "free some space or choose another folder"
        ) from error


@contextmanager
def _renamed(folder: Path) -> Iterator[Path]:
    target = folder.absolute()
    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        raise DataError(f"{folder} exists and is not empty: remove it or name another folder")
    target.parent.mkdir(parents=True, exist_ok=True)
    unfinished = target.with_name(f".{target.name}.{secrets.token_hex(4)}.tmp")
    try:
        unfinished.mkdir()
        yield unfinished
        unfinished.replace(target)
    except BaseException:
        shutil.rmtree(unfinished, ignore_errors=True)
        raise


def finished(
    work: Callable[[Task], Result], tasks: Sequence[Task], workers: int | None
) -> Iterator[Result]:
    """Do the tasks in any order; yield what `work` returns for each.

    Args:
        work: a function of a module; it loops over `until_stopped`, so that it ends early.
        tasks: plain values.
        workers: processes; as many as there are processors if None, 1 for none beside this.
    """
    count = min(workers or os.cpu_count() or 1, len(tasks))
    if count == 1:
        yield from map(work, tasks)
        return
    spawn = multiprocessing.get_context("spawn")  # a fork would copy the threads of OpenCV
    stop = spawn.Event()
    pool = ProcessPoolExecutor(count, mp_context=spawn, initializer=_start_worker, initargs=(stop,))
    try:
        futures: list[Future[Result]] = [pool.submit(work, task) for task in tasks]
        for future in as_completed(futures):
            yield future.result()
    finally:
        stop.set()
        pool.shutdown(cancel_futures=True)  # waits: no worker may write into a removed folder


def _start_worker(stop: Event) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the parent, which stops us
    cv2.setNumThreads(1)
    _Stop.event = stop


class _Stop:
    """What tells a worker that its parent gave up; None outside a worker."""

    event: Event | None = None


def until_stopped(count: int) -> Iterator[int]:
    """0, 1, ... `count` - 1, and an error as soon as the parent has given up."""
    for index in range(count):
        if _Stop.event is not None and _Stop.event.is_set():
            raise InterruptedError(errno.EINTR, "stopped")
        yield index
