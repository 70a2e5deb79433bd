"""The published table with this project's networks: three data sets, three tasks, one report.

    python models/studies/paper_table.py --root data --out runs/paper --source cityscapes=DIR

Sets lie in ROOT/coco, ROOT/ade20k and ROOT/cityscapes; one that is not prepared yet is, from
--source NAME=DIR or by a download where that may be. Nine networks are trained and scored on the
validation split, at full size and on the network's grid. What is done is not repeated, what was cut
off goes on. Writes OUT/results.json and OUT/table.md after each network; `--show FILE` prints the
table again. What follows `--` is given to every `train`.
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

from maskattn_edge.contract.atomic import write_text
from maskattn_models.checkpoint import load_checkpoint
from maskattn_models.cost import cost_of
from maskattn_models.network import NetworkConfig

SETS = {"coco": "COCO", "ade20k": "ADE20K", "cityscapes": "Cityscapes"}
SCORES = {"semantic": "miou", "panoptic": "pq", "instance": "ap"}
"""What a task's own network is scored by."""

CLAIMS = """\
| U-Net | 4 | 32 | 33.8/20.1/13.8 | 37.3/24.1/16.5 | 63.4/51.2/27.9 |
| DETR-R50 | 86 | 41 | 34.7/25.3/16.7 | 40.7/26.5/21.0 | 66.6/53.7/30.6 |
| DETR-R101 | 152 | 60 | 35.3/27.4/18.8 | 41.1/27.4/21.9 | 67.4/54.2/32.2 |
| Mask2Former-R50 | 226 | 44 | 38.1/31.4/27.3 | 45.2/33.4/29.1 | 69.3/55.7/34.3 |
| Mask2Former-R101 | 293 | 63 | 39.2/31.7/28.1 | 45.7/33.9/30.5 | 71.4/57.2/35.4 |
| MaskAttn-UNet | 11 | 46 | 45.3/35.7/31.5 | 45.9/33.6/30.7 | 70.1/58.3/35.5 |"""
"""As arxiv.org/abs/2503.10686 states them; for its code as measured see models/published.md."""


@dataclass(frozen=True, kw_only=True)
class Study:
    """What is trained, and where everything lies."""

    root: Path
    out: Path
    sets: tuple[str, ...]
    sources: dict[str, str]
    size: str
    epochs: int
    seed: int
    height: int
    width: int
    device: str
    extra: tuple[str, ...]

    @property
    def grid(self) -> tuple[str, ...]:
        """Options of `data prepare` and `train`."""
        return ("--height", str(self.height), "--width", str(self.width))

    def run(self, name: str, task: str) -> runs.Run:
        """One network."""
        options = ("--task", task, "--size", self.size, "--epochs", str(self.epochs), *self.grid)
        return runs.Run(
            folder=self.out / name / task,
            data=self.root / name,
            options=(*options, "--seed", str(self.seed), *self.extra),
            device=self.device,
        )


def prepare(study: Study, name: str) -> None:
    """Convert a set unless that is done."""
    folder = study.root / name
    if not (folder / "manifest.json").exists():
        source = ["--source", study.sources[name]] if name in study.sources else []
        runs.do(["data", "prepare", name, str(folder), *source, *study.grid])


def conduct(study: Study, name: str, task: str) -> dict[str, Any]:
    """Train and score one network, as far as that is not done."""
    run = study.run(name, task)
    known = runs.train(run)
    report = runs.score(run, "val", "--split", "val", "--as", task)
    best = load_checkpoint(run.best)
    assert isinstance(best.network, NetworkConfig)  # this very script trained it
    cost = cost_of(best.network)
    return {
        "set": name,
        "task": task,
        "options": known["options"],
        "seconds": known["seconds"],
        "best_epoch": best.training["epochs"],
        "images": report["images"],
        "gflops": cost.gflops,
        "m_parameters": cost.millions,
        **{size: _figure(report[size], task) for size in ("full", "grid")},
    }


def _figure(report: dict[str, Any], task: str) -> float | None:
    score = report["all"]["pq"] if task == "panoptic" else report[SCORES[task]]
    return None if score is None else float(score)


def table(content: dict[str, Any]) -> str:
    """Our networks at both sizes above the paper's claims, mIoU/PQ/AP in %."""
    rows = content["runs"]
    heads = ["", "GFLOPs", "M params", *(f"{title} mIoU/PQ/AP" for title in SETS.values())]
    lines = [f"| {' | '.join(heads)} |", "|---|" + "--:|" * (len(heads) - 1)]
    shape = f"{content['size']}, {content['height']}x{content['width']}"
    for size, what in (("full", "full size"), ("grid", "on the grid")):
        costs = [_range([row[key] for row in rows]) for key in ("gflops", "m_parameters")]
        cells = ["/".join(_cell(rows, name, task, size) for task in SCORES) for name in SETS]
        lines.append(f"| {' | '.join([f'{shape}, {what}', *costs, *cells])} |")
    return "\n".join([*lines, "| *as the paper claims:* | | | | | |", CLAIMS])


def _range(values: Sequence[float]) -> str:
    least, most = f"{min(values):.2f}", f"{max(values):.2f}"
    return least if least == most else f"{least} to {most}"


def _cell(rows: Sequence[dict[str, Any]], name: str, task: str, size: str) -> str:
    found = [row[size] for row in rows if (row["set"], row["task"]) == (name, task)]
    if not found:
        return "not measured"
    return "-" if found[0] is None else f"{100 * found[0]:.1f}"


def show(content: dict[str, Any]) -> str:
    """The table with what it was made by."""
    extra = " ".join(content["extra"]) or "no further options"
    return (
        f"Validation splits, one network for each score, {content['epochs']} epochs, seed "
        f"{content['seed']}, {extra}; {content['device']}, {content['date']}\n\n{table(content)}\n"
    )


def main(arguments: Sequence[str]) -> None:
    """Parse, run what is asked for, write and print the table."""
    if list(arguments[:1]) == ["--show"] and len(arguments) == 2:
        print(show(json.loads(Path(arguments[1]).read_text())))
        return
    study = _parse(arguments)
    names = ("size", "epochs", "seed", "height", "width", "extra")
    content = runs.machine() | {name: getattr(study, name) for name in names} | {"runs": []}
    for name in study.sets:
        prepare(study, name)
        for task in SCORES:
            content["runs"].append(conduct(study, name, task))
            runs.write_results(study.out, content)
            write_text(study.out / "table.md", show(content))
    print(show(content))


def _parse(arguments: Sequence[str]) -> Study:
    words, extra = runs.split_words(arguments)
    parser = argparse.ArgumentParser(description=str(__doc__).splitlines()[0])
    parser.add_argument("--root", type=Path, required=True, help="folder of the prepared sets")
    parser.add_argument("--out", type=Path, required=True, help="folder of all runs")
    parser.add_argument("--sets", nargs="+", choices=SETS, default=list(SETS), metavar="NAME")
    parser.add_argument("--source", nargs="+", default=[], metavar="NAME=DIR", help="originals")
    parser.add_argument("--size", default="s", help="of the networks: n, s, m or l")
    parser.add_argument("--epochs", type=int, default=50)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--height", type=int, default=128)
    parser.add_argument("--width", type=int, default=128)
    parser.add_argument("--device", default="auto", help="auto, cpu or cuda")
    given = vars(parser.parse_args(words))
    pairs = [text.partition("=") for text in given.pop("source")]
    for name, _, folder in pairs:
        if name not in SETS or not folder:
            parser.error(f"--source takes NAME=DIR with a name of {', '.join(SETS)}, got {name!r}")
    given["sets"] = tuple(name for name in SETS if name in given["sets"])
    return Study(**given, sources={name: folder for name, _, folder in pairs}, extra=extra)


if __name__ == "__main__":
    main(sys.argv[1:])
