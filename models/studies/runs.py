"""What the studies that train share: runs that go on where they stopped, and their figures."""

from __future__ import annotations

import json
import math
import multiprocessing
import platform
import shlex
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import torch

from maskattn_edge._version import __version__
from maskattn_edge.cli.app import run_command
from maskattn_edge.contract.atomic import write_text
from maskattn_models.study import spread_of, to_percent

Result = TypeVar("Result")


@dataclass(frozen=True, kw_only=True)
class Run:
    """One network: where it lies, and the options of `train` that make it what it is."""

    folder: Path
    data: Path
    options: tuple[str, ...]
    device: str

    @property
    def best(self) -> Path:
        """Checkpoint of the best epoch."""
        return self.folder / "best.pt"

    @property
    def command(self) -> list[str]:
        """Of the training."""
        where = ["--data", str(self.data), "--out", str(self.folder), "--device", self.device]
        return ["train", *where, *self.options]


def train(run: Run) -> dict[str, Any]:
    """Train as far as that is not done; exits where the folder holds a run of other options.

    Returns what `run.json` says of it: its options, whether it is done, and the seconds it took
    since it was last started.
    """
    note = run.folder / "run.json"
    known = json.loads(note.read_text()) if note.exists() else {"options": list(run.options)}
    if known["options"] != list(run.options):
        sys.exit(
            f"{run.folder} holds a run of `train {shlex.join(known['options'])}`, not of "
            f"`train {shlex.join(run.options)}`: choose another --out"
        )
    if known.get("done"):
        return dict(known)
    _write(note, known)
    began = time.perf_counter()
    do([*run.command, "--resume"] if (run.folder / "last.pt").exists() else run.command)
    known |= {"done": True, "seconds": round(time.perf_counter() - began, 1)}
    _write(note, known)
    return dict(known)


def score(run: Run, name: str, *options: str) -> dict[str, Any]:
    """The report of `evaluate` on the best epoch, kept as NAME.json in the run's folder."""
    report = run.folder / f"{name}.json"
    if not report.exists():
        do(["evaluate", str(run.best), "--data", str(run.data), *options, "--json", str(report)])
    return dict(json.loads(report.read_text()))


def do(words: list[str]) -> None:
    """Run one command of the program, said before; exits with its code if it fails."""
    print("maskattn-edge", shlex.join(words), flush=True)
    if code := run_command(words):
        sys.exit(code)


def each(
    function: Callable[..., Result], arguments: Sequence[tuple[Any, ...]], *, jobs: int
) -> Iterator[Result]:
    """What `function` returns for each of the arguments, in their order.

    With several `jobs` that many run at a time in processes of their own: a small network leaves
    most of a GPU idle.
    """
    if jobs == 1:
        yield from (function(*words) for words in arguments)
        return
    spawn = multiprocessing.get_context("spawn")  # CUDA outlives no fork
    with ProcessPoolExecutor(jobs, mp_context=spawn) as pool:
        for future in [pool.submit(function, *words) for words in arguments]:
            yield future.result()


def write_results(out: Path, content: dict[str, Any]) -> None:
    """OUT/results.json: what was run where, and the rows; atomically."""
    _write(out / "results.json", machine() | content)


def machine() -> dict[str, str]:
    """What a table of figures has to name beside them."""
    cuda = torch.cuda.is_available()
    return {
        "date": time.strftime("%Y-%m-%d"),
        "device": torch.cuda.get_device_name() if cuda else platform.machine(),
        "torch": str(torch.__version__),
        "maskattn_edge": __version__,
    }


def cell(values: Sequence[float | None]) -> str:
    """Mean ± sample deviation of fractions, in percent, as studies print it.

    >>> cell([0.5, 0.52]), cell([0.5]), cell([None])
    ('51.00 ± 1.41', '50.00', '-')
    """
    scores = [value for value in values if value is not None and not math.isnan(value)]
    return to_percent(spread_of(scores)) if scores else "-"


def split_words(arguments: Sequence[str]) -> tuple[list[str], tuple[str, ...]]:
    """A study's own words, and those after `--`, which every `train` gets."""
    words = list(arguments)
    dashes = words.index("--") if "--" in words else len(words)
    return words[:dashes], tuple(words[dashes + 1 :])


def _write(path: Path, content: dict[str, Any]) -> None:
    write_text(path, json.dumps(content, indent=1) + "\n")
