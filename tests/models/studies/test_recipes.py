"""The comparison of recipes, run whole on a few tiny images."""

import json

import cv2
import numpy as np
import pytest
from typer.main import get_command

from maskattn_edge.cli.app import app
from maskattn_models.checkpoint import load_checkpoint

TINY = ["--", "--size", "n", "--height", "32", "--width", "32", "--batch", "4", "--device", "cpu"]


@pytest.fixture(scope="module")
def recipes(load_study):
    return load_study("recipes")


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    root, rng = tmp_path_factory.mktemp("data") / "halves", np.random.default_rng(0)
    for split in ("train", "val", "test"):
        for kind in ("images", "masks"):
            (root / kind / split).mkdir(parents=True)
        for index in range(4):
            mask = np.zeros((32, 32), np.uint8)
            mask[:, : rng.integers(8, 24)] = 1
            cv2.imwrite(str(root / "masks" / split / f"{index}.png"), mask)
            cv2.imwrite(str(root / "images" / split / f"{index}.png"), 200 * mask)
    (root / "classes.json").write_text('["right", "left"]')
    return root


def test_recipes_are_trained_scored_and_compared(recipes, data, tmp_path, capsys):
    words = ["--data", str(data), "--out", str(tmp_path), "--epochs", "1", "--seeds", "2"]
    words += ["--limit", "2", "--only", "s-taught-by-l", "s-lovasz", *TINY]
    recipes.main(words)
    results = json.loads((tmp_path / "results.json").read_text())
    assert [(row["recipe"], row["seed"]) for row in results["runs"]] == [
        ("s-lovasz", 0), ("s-lovasz", 1), ("l", 0), ("l", 1),
        ("s-taught-by-l", 0), ("s-taught-by-l", 1),
    ]  # fmt: skip
    report = json.loads((tmp_path / "l" / "seed1" / "test.json").read_text())
    assert report["images"] == 2
    assert results["runs"][3]["miou"] == report["grid"]["miou"]
    taught = load_checkpoint(tmp_path / "s-taught-by-l" / "seed1" / "best.pt").training["run"]
    assert taught["teacher"] == load_checkpoint(tmp_path / "l" / "seed1" / "best.pt").sha256
    said = capsys.readouterr().out
    assert said.count("maskattn-edge train") == 6
    assert "| s-taught-by-l | 2 |" in said

    recipes.main(words)  # all is done
    again = capsys.readouterr().out
    assert "maskattn-edge" not in again
    assert again.strip() == said[said.index("| recipe") :].strip()


def test_a_failing_command_ends_the_comparison(recipes, data, tmp_path):
    words = ["--data", str(data), "--out", str(tmp_path), "--epochs", "0", "--only", "s"]
    with pytest.raises(SystemExit, match="2"):
        recipes.main(words)


def test_the_table_shows_mean_and_deviation(recipes):
    rows = [
        {"recipe": "a", "val_miou": 0.5, "miou": 0.40},
        {"recipe": "a", "val_miou": 0.5, "miou": 0.44},
        {"recipe": "b", "val_miou": 0.25, "miou": None},
    ]
    assert recipes.table(rows, "test").splitlines()[2:] == [
        "| a | 2 | 50.00 ± 0.00 | 42.00 ± 2.83 |",
        "| b | 1 | 25.00 | - |",
    ]


def test_runs_of_other_lengths_are_not_mixed(recipes, data, tmp_path):
    words = ["--data", str(data), "--out", str(tmp_path), "--seeds", "1", "--only", "s", *TINY]
    recipes.main(["--epochs", "1", *words])
    with pytest.raises(SystemExit, match="holds a run of 1 epochs, not 2: choose another --out"):
        recipes.main(["--epochs", "2", *words])


def test_train_knows_the_options_of_every_recipe(recipes):
    names = [recipe.name for recipe in recipes.RECIPES]
    assert len(set(names)) == len(names)
    group = get_command(app)
    command = group.get_command(group.make_context("maskattn-edge", ["train"]), "train")
    for index, recipe in enumerate(recipes.RECIPES):
        assert recipe.teacher is None or recipe.teacher in names[:index]
        command.make_context("train", ["--data", "folder", *recipe.options])


def test_jobs_run_beside_each_other_and_keep_their_order(load_study):
    each = load_study("runs").each
    words = [(2, 3), (2, 4), (2, 5)]
    assert list(each(pow, words, jobs=2)) == list(each(pow, words, jobs=1)) == [8, 16, 32]
