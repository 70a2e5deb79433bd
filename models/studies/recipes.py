"""Compare recipes against over-fitting over seeds: losses, backbone, teacher, CutMix.

    python models/studies/recipes.py --data camvid --out runs/recipes

Each run is one `train` and one `evaluate`; a run that is done is not repeated, one that was cut
off goes on. Writes OUT/results.json after each run, and prints the table at the end; `--show FILE`
prints it again. What follows `--` is given to every `train`: `-- --device cpu --batch 16`.
"""

from __future__ import annotations

import argparse
import json
import shlex
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import runs

from maskattn_models.checkpoint import load_checkpoint

BACKBONE = ("--backbone", "efficientnet-lite0")
PLAIN = ("--loss", "cross-entropy")
DICE = ("--loss", "cross-entropy+dice")
MASKED = ("--attention", "masked")


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """Options of `train`; `teacher` names an earlier recipe, whose run of the same seed teaches."""

    name: str
    options: tuple[str, ...] = ()
    teacher: str | None = None


BASE = ("--attention", "masked", "--cutmix", "0")
"""What the recipes were first compared with. Each names what it compares, so that defaults may
change; those without BASE have no attention, and CutMix on half of the images."""

RECIPES = (
    Recipe(name="s", options=(*BASE, *PLAIN)),
    Recipe(name="s-dice", options=(*BASE, *DICE)),
    Recipe(name="s-lovasz", options=(*BASE, "--loss", "cross-entropy+lovasz")),
    Recipe(name="s-cutmix", options=("--attention", "masked", "--cutmix", "0.5", *PLAIN)),
    Recipe(name="l", options=(*BASE, *PLAIN, "--size", "l")),
    Recipe(name="s-taught-by-l", options=(*BASE, *PLAIN), teacher="l"),
    Recipe(name="backbone", options=(*BASE, *PLAIN, *BACKBONE)),
    Recipe(name="backbone-random", options=(*BASE, *PLAIN, *BACKBONE, "--no-pretrained")),
    Recipe(name="backbone-dice", options=(*BASE, *BACKBONE, *DICE)),
    Recipe(name="backbone-cutmix", options=("--attention", "masked", *PLAIN, *BACKBONE)),
    Recipe(name="s-taught-by-backbone", options=(*BASE, *PLAIN), teacher="backbone"),
    Recipe(name="s-plain", options=PLAIN),
    Recipe(name="s-plain-dice", options=DICE),
    Recipe(name="m-plain", options=("--size", "m", *PLAIN)),
    Recipe(name="m-plain-dice", options=("--size", "m", *DICE)),
    Recipe(name="n-plain-dice", options=("--size", "n", *DICE)),
    Recipe(name="n-masked-dice", options=("--size", "n", *MASKED, *DICE)),
    Recipe(name="s-masked-dice", options=(*MASKED, *DICE)),
    Recipe(name="m-masked-dice", options=("--size", "m", *MASKED, *DICE)),
    Recipe(name="s-backbone-dice", options=(*BACKBONE, *DICE)),
    Recipe(name="m-backbone-dice", options=(*BACKBONE, "--size", "m", *DICE)),
    Recipe(
        name="m-backbone-dice-cutmix1",
        options=(*BACKBONE, "--size", "m", *DICE, "--cutmix", "1"),
    ),
    Recipe(name="l-backbone-dice", options=(*BACKBONE, "--size", "l", *DICE)),
)


@dataclass(frozen=True, kw_only=True)
class Study:
    """Where and how long every recipe is trained and scored."""

    data: Path
    out: Path
    epochs: int
    seeds: int
    split: str
    limit: int | None
    jobs: int
    extra: tuple[str, ...]

    def folder(self, recipe: str, seed: int) -> Path:
        """Of one run."""
        return self.out / recipe / f"seed{seed}"


def run(study: Study, recipe: Recipe, seed: int) -> dict[str, Any]:
    """Train and score one recipe with one seed, as far as that is not done."""
    folder = study.folder(recipe.name, seed)
    report, last, best = folder / f"{study.split}.json", folder / "last.pt", folder / "best.pt"
    words = ["train", "--data", str(study.data), "--out", str(folder), *recipe.options]
    words += ["--epochs", str(study.epochs), "--seed", str(seed), *study.extra]
    if recipe.teacher is not None:
        words += ["--teacher", str(study.folder(recipe.teacher, seed) / "best.pt")]
    began = time.perf_counter()
    if not report.exists():
        runs.do([*words, "--resume"] if last.exists() else words)
        scoring = ["evaluate", str(best), "--data", str(study.data), "--split", study.split]
        limit = [] if study.limit is None else ["--limit", str(study.limit)]
        runs.do([*scoring, *limit, "--json", str(report)])
    checkpoint = load_checkpoint(best)
    epochs = checkpoint.training["settings"]["epochs"]
    if epochs != study.epochs:
        sys.exit(
            f"{folder} holds a run of {epochs} epochs, not {study.epochs}: choose another --out"
        )
    return {
        "recipe": recipe.name,
        "seed": seed,
        "command": shlex.join(words),
        "best_epoch": checkpoint.training["epochs"],
        "val_miou": checkpoint.metrics["val_miou"],
        "miou": json.loads(report.read_text())["grid"]["miou"],
        "seconds": time.perf_counter() - began,
    }


def table(rows: Sequence[dict[str, Any]], split: str) -> str:
    """Mean and sample deviation over seeds of each recipe, mIoU on the grid in percent."""
    lines = [f"| recipe | seeds | val mIoU, % | {split} mIoU, % |", "|---|" + "--:|" * 3]
    for name in dict.fromkeys(row["recipe"] for row in rows):
        own = [row for row in rows if row["recipe"] == name]
        val, scored = (runs.cell([row[key] for row in own]) for key in ("val_miou", "miou"))
        lines.append(f"| {name} | {len(own)} | {val} | {scored} |")
    return "\n".join(lines)


def main(arguments: Sequence[str]) -> None:
    """Parse, run what is asked for, write and print the results."""
    if list(arguments[:1]) == ["--show"]:
        content = json.loads(Path(arguments[1]).read_text())
        print(f"{content['epochs']} epochs, {content['device']}, {content['date']}")
        print(table(content["runs"], content["split"]))
        return
    study, recipes = _parse(arguments)
    rows: list[dict[str, Any]] = []
    for taught in (False, True):  # teachers first
        chosen = [recipe for recipe in recipes if (recipe.teacher is not None) == taught]
        words = [(study, recipe, seed) for recipe in chosen for seed in range(study.seeds)]
        for row in runs.each(run, words, jobs=study.jobs):
            rows.append(row)
            content = {"split": study.split, "epochs": study.epochs, "runs": rows}
            runs.write_results(study.out, content)
    print(table(rows, study.split))


def _parse(arguments: Sequence[str]) -> tuple[Study, list[Recipe]]:
    words, extra = runs.split_words(arguments)
    parser = argparse.ArgumentParser(description=str(__doc__).splitlines()[0])
    parser.add_argument("--data", type=Path, required=True, help="data set with a test split")
    parser.add_argument("--out", type=Path, required=True, help="folder of all runs")
    parser.add_argument("--epochs", type=int, default=200)
    parser.add_argument("--seeds", type=int, default=3, help="0, 1, ... one less than this")
    parser.add_argument("--split", default="test", help="what to score on")
    parser.add_argument("--limit", type=int, help="score at most so many images")
    parser.add_argument("--jobs", type=int, default=1, help="runs at a time")
    names = [recipe.name for recipe in RECIPES]
    parser.add_argument("--only", nargs="+", choices=names, default=names, metavar="RECIPE")
    given = vars(parser.parse_args(words))
    chosen = given.pop("only")
    taught = {recipe.teacher for recipe in RECIPES if recipe.name in chosen}
    recipes = [recipe for recipe in RECIPES if recipe.name in chosen or recipe.name in taught]
    return Study(**given, extra=extra), recipes


if __name__ == "__main__":
    main(sys.argv[1:])
