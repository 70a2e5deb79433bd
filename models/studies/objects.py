"""Objects told apart by a network, or by connected regions of a semantic network's labels.

    python models/studies/objects.py --data DIR --out runs/objects -- --backbone efficientnet-lite0

Trains a semantic, a panoptic and an instance network over seeds on one prepared data set, and
scores each as panoptic and as instance; of the semantic one each connected region of a thing class
is an object, if it has --min-area cells, and the best of these areas is what the others are
compared with. A run that is done is not repeated, one that was cut off goes on. Writes
OUT/results.json after each run, and prints the tables at the end; `--show FILE` prints them again.
What follows `--` is given to every `train`.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import runs

from maskattn_models.checkpoint import load_checkpoint

TASKS = ("semantic", "panoptic", "instance")
SCORES = {
    "pq": "PQ",
    "pq_things": "PQ things",
    "pq_stuff": "PQ stuff",
    "sq": "SQ",
    "rq": "RQ",
    "ap": "mask AP",
    "miou": "mIoU",
}
SIZES = {"grid": "on the network's grid", "full": "at the images' own size"}
BEST = "semantic, best regions"

Row = dict[str, Any]
"""Of one method and seed; at each of `SIZES` fractions by score, None = has no value."""


@dataclass(frozen=True, kw_only=True)
class Study:
    """What is trained, how long, and what it is scored on."""

    data: Path
    out: Path
    epochs: int
    seeds: int
    size: str
    device: str
    split: str
    tasks: tuple[str, ...]
    min_area: tuple[int, ...]
    jobs: int
    extra: tuple[str, ...]

    def run(self, task: str, seed: int) -> runs.Run:
        """One network."""
        options = ("--task", task, "--size", self.size, "--epochs", str(self.epochs))
        return runs.Run(
            folder=self.out / task / f"seed{seed}",
            data=self.data,
            options=(*options, "--seed", str(seed), *self.extra),
            device=self.device,
        )


def conduct(study: Study, task: str, seed: int) -> list[Row]:
    """Train one network as far as that is not done, and score it in each way."""
    run = study.run(task, seed)
    known = runs.train(run)
    best = load_checkpoint(run.best)
    shared = {
        "task": task,
        "seed": seed,
        "options": known["options"],
        "seconds": known["seconds"],
        "best_epoch": best.training["epochs"],
    }
    areas = study.min_area if task == "semantic" else (None,)
    return [shared | _scored(study, run, task, area) for area in areas]


def _scored(study: Study, run: runs.Run, task: str, area: int | None) -> Row:
    """Of one way to tell objects apart: its name, and the scores at both sizes."""
    split = ("--split", study.split)
    regions = () if area is None else ("--min-area", str(area))
    suffix = study.split if area is None else f"{study.split}-{area}"
    reports = {
        kind: runs.score(run, f"{kind}-{suffix}", *split, "--as", kind, *regions)
        for kind in ("instance", *(["panoptic"] if task != "instance" else []))
    }
    row: Row = {"method": task if area is None else f"semantic, regions of {area}+ cells"}
    for size in SIZES:
        row[size] = {
            "miou": reports["instance"][size]["miou"],
            "ap": reports["instance"][size]["ap"],
        }
        if "panoptic" in reports:
            row[size] |= _qualities(reports["panoptic"][size])
    return row


def _qualities(report: dict[str, Any]) -> dict[str, float | None]:
    whole = report["all"]
    return {
        "pq": whole["pq"],
        "pq_things": report["things"]["pq"],
        "pq_stuff": report["stuff"]["pq"],
        "sq": whole["sq"],
        "rq": whole["rq"],
    }


def with_best_regions(rows: Sequence[Row]) -> list[Row]:
    """Adds, for each seed, each score of the semantic network at the area that suits it best.

    The area is chosen on the very split that is scored, which favours connected regions.
    """
    complete = list(rows)
    for seed in dict.fromkeys(row["seed"] for row in rows):
        own = [row for row in rows if row["seed"] == seed and row["task"] == "semantic"]
        if own:
            best = {size: {name: _highest(own, size, name) for name in SCORES} for size in SIZES}
            complete.append({"task": "best", "seed": seed, "method": BEST, **best})
    return complete


def _highest(rows: Sequence[Row], size: str, score: str) -> float | None:
    return max((value for row in rows if (value := row[size][score]) is not None), default=None)


def tables(rows: Sequence[Row]) -> str:
    """Mean ± deviation over seeds of each method, and differences to the best regions by seed."""
    complete = with_best_regions(rows)
    parts = [f"In %, {what}:\n\n{_table(complete, size)}" for size, what in SIZES.items()]
    for size, what in SIZES.items():
        if lines := _differences(complete, size):
            parts.append(f"Differences to the best regions, seed by seed, {what}:\n\n{lines}")
    return "\n\n".join(parts)


def _table(rows: Sequence[Row], size: str) -> str:
    lines = [_line("", "seeds", *SCORES.values()), "|---|" + "---:|" * (1 + len(SCORES))]
    for method in dict.fromkeys(row["method"] for row in rows):
        own = [row for row in rows if row["method"] == method]
        cells = [runs.cell([row[size].get(score) for row in own]) for score in SCORES]
        lines.append(_line(method, str(len(own)), *cells))
    return "\n".join(lines)


def _differences(rows: Sequence[Row], size: str) -> str:
    base = {row["seed"]: row[size] for row in rows if row["method"] == BEST}
    lines = [_line("", "", "mean ± deviation", "each seed"), "|---|---|---:|---:|"]
    for task in TASKS[1:]:
        own = [row for row in rows if row["task"] == task and row["seed"] in base]
        for score, name in SCORES.items():
            pairs = [(row[size].get(score), base[row["seed"]][score]) for row in own]
            apart = [one - other for one, other in pairs if one is not None and other is not None]
            if apart:
                each = ", ".join(f"{100 * value:+.2f}" for value in apart)
                lines.append(_line(f"{task} - semantic", name, runs.cell(apart), each))
    return "\n".join(lines) if len(lines) > 2 else ""


def _line(*cells: str) -> str:
    return f"| {' | '.join(cells)} |"


def show(content: dict[str, Any]) -> None:
    """Print what `results.json` holds."""
    extra = " ".join(content["extra"]) or "no further options"
    print(
        f"{Path(content['data']).name} {content['split']}, size {content['size']}, "
        f"{content['epochs']} epochs, {extra}; {content['device']}, {content['date']}\n"
    )
    print(tables(content["runs"]))


def main(arguments: Sequence[str]) -> None:
    """Parse, run what is asked for, write and print the results."""
    if list(arguments[:1]) == ["--show"] and len(arguments) == 2:
        show(json.loads(Path(arguments[1]).read_text()))
        return
    study = _parse(arguments)
    content: dict[str, Any] = {
        "data": str(study.data),
        "split": study.split,
        "size": study.size,
        "epochs": study.epochs,
        "extra": study.extra,
        "runs": [],
    }
    words = [(study, task, seed) for seed in range(study.seeds) for task in study.tasks]
    for rows in runs.each(conduct, words, jobs=study.jobs):
        content["runs"] += rows
        runs.write_results(study.out, content)
    show(runs.machine() | content)


def _parse(arguments: Sequence[str]) -> Study:
    words, extra = runs.split_words(arguments)
    parser = argparse.ArgumentParser(description=str(__doc__).splitlines()[0])
    parser.add_argument("--data", type=Path, required=True, help="prepared set with instances")
    parser.add_argument("--out", type=Path, required=True, help="folder of all runs")
    parser.add_argument("--epochs", type=int, default=200)
    parser.add_argument("--seeds", type=int, default=3, help="0, 1, ... one less than this")
    parser.add_argument("--size", default="s", help="of the networks: n, s, m or l")
    parser.add_argument("--device", default="auto", help="auto, cpu or cuda")
    parser.add_argument("--split", default="test", help="what to score on")
    parser.add_argument("--tasks", nargs="+", choices=TASKS, default=TASKS, metavar="TASK")
    parser.add_argument(
        "--min-area",
        nargs="+",
        type=int,
        default=(24, 64),
        metavar="CELLS",
        help="that a region of the semantic network's labels has at least",
    )
    parser.add_argument("--jobs", type=int, default=1, help="runs at a time")
    given = vars(parser.parse_args(words))
    given["tasks"] = tuple(task for task in TASKS if task in given["tasks"])
    given["min_area"] = tuple(dict.fromkeys(given["min_area"]))
    return Study(**given, extra=extra)


if __name__ == "__main__":
    main(sys.argv[1:])
