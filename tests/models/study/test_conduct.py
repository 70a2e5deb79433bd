import json
import sys
from dataclasses import replace

import pytest

from maskattn_edge.cli.app import run_command
from maskattn_edge.cli.study import VARIED
from maskattn_edge.contract.errors import MaskAttnError, TrainingError, UsageError
from maskattn_models.checkpoint import load_checkpoint
from maskattn_models.network import VARIANTS
from maskattn_models.study import (
    ABLATION,
    FRACTIONS,
    PLANS,
    StudyObserver,
    conditions,
    conduct,
    read_result,
)
from maskattn_models.training import TrainingInterrupted, train

FILES = {"study.json", "results.json", "results.md", "scores.png", "differences.png", "runs"}
SHORT = replace(ABLATION, arms=(ABLATION.arms[0], ABLATION.arms[3]))


@pytest.fixture(autouse=True)
def no_variants():
    yield
    VARIANTS.clear()


class Notes(StudyObserver):
    def __init__(self):
        self.begun, self.complete, self.failed = [], [], []

    def run_started(self, arm, seed, *, done, runs):
        self.begun.append((arm.name, seed))

    def run_complete(self, arm, result, *, done, runs):
        self.complete.append((arm.name, result.seed, done, runs))

    def run_failed(self, arm, seed, error):
        self.failed.append((arm.name, seed))


@pytest.fixture(scope="module")
def finished(squares, quick, tmp_path_factory):
    out, notes = tmp_path_factory.mktemp("studies") / "ablation", Notes()
    return out, conduct(SHORT, squares, quick, out, observer=notes), notes


def states(out):
    return json.loads((out / "study.json").read_text())["runs"]


def test_a_study_writes_its_files_and_ordinary_runs(finished):
    out, result, notes = finished
    assert {path.name for path in out.iterdir()} == FILES
    assert notes.begun == [("none", 0), ("masked", 0)]
    assert notes.complete[-1] == ("masked", 0, 2, 2)
    assert set(states(out).values()) == {"complete"}
    for arm in ("none", "masked"):
        folder = out / "runs" / arm / "seed-0"
        best = load_checkpoint(folder / "best.pt")
        assert (best.network.attention, best.training["seed"]) == (arm, 0)
        assert (folder / "history.csv").exists()
    assert read_result(out) == result


def test_what_is_noted_of_a_run(finished):
    _, result, _ = finished
    none, masked = result.of_arm("none")[0], result.of_arm("masked")[0]
    assert (masked.images, masked.best_epoch, masked.device) == (8, 1, "CPU")
    assert 0 <= masked.miou <= 1
    assert masked.seconds > 0
    assert set(masked.keys_kept) == {"attention3", "attention4"}
    assert none.keys_kept == {}
    assert masked.parameters > none.parameters
    assert masked.gflops > none.gflops


def test_what_is_complete_is_not_done_again(finished, squares, quick):
    out, result, _ = finished
    notes = Notes()
    assert conduct(SHORT, squares, quick, out, observer=notes) == result
    assert notes.begun == []
    assert len(notes.complete) == 2


def test_seeds_may_be_added_but_nothing_else_changed(finished, squares, quick):
    out, _, _ = finished
    with pytest.raises(UsageError, match="has epochs 1, this command 2: repeat"):
        conduct(SHORT, squares, replace(quick, training=replace(quick.training, epochs=2)), out)
    with pytest.raises(UsageError, match="has split 'test', this command 'val'"):
        conduct(SHORT, squares, replace(quick, split="val"), out)
    with pytest.raises(UsageError, match="has plan 'ablation', this command 'fractions'"):
        conduct(FRACTIONS, squares, quick, out)
    notes = Notes()
    more = conduct(SHORT, squares, replace(quick, seeds=2), out, observer=notes)
    assert notes.begun == [("none", 1), ("masked", 1)]
    assert len(more.runs) == 4


def test_an_interrupted_study_goes_on(squares, quick, tmp_path, finished):
    asked = 0

    def stop():
        nonlocal asked
        asked += 1
        return asked > 25  # in the first step of the second run; each asks 14 times

    with pytest.raises(TrainingInterrupted, match="1 of 2 runs are complete, the same command"):
        conduct(SHORT, squares, quick, tmp_path, stop=stop)
    assert len(read_result(tmp_path).runs) == 1
    assert (tmp_path / "scores.png").exists()
    assert list(states(tmp_path).values()) == ["complete", "started"]
    notes = Notes()
    whole = conduct(SHORT, squares, quick, tmp_path, observer=notes)
    assert notes.begun == [("masked", 0)]
    of_seed = {(run.arm, run.seed): run.miou for run in finished[1].runs}
    assert all(run.miou == of_seed[run.arm, run.seed] for run in whole.runs)


def test_a_run_that_fails_does_not_end_the_study(squares, quick, tmp_path, monkeypatch):
    def sometimes(dataset, config, settings, out, **rest):
        if config.attention == "none":
            raise TrainingError("the loss is nan")
        return train(dataset, config, settings, out, **rest)

    monkeypatch.setattr("maskattn_models.study.one_run.train", sometimes)
    notes = Notes()
    with pytest.raises(TrainingError, match="1 of 2 runs failed.*none/seed-0: the loss is nan"):
        conduct(SHORT, squares, quick, tmp_path, observer=notes)
    assert notes.failed == [("none", 0)]
    assert len(read_result(tmp_path).runs) == 1
    assert states(tmp_path)["none/seed-0"] == "failed: the loss is nan"


def test_runs_side_by_side_are_those_in_turn(squares, quick, tmp_path, finished):
    notes = Notes()
    result = conduct(SHORT, squares, quick, tmp_path, jobs=2, observer=notes)
    assert sorted(notes.begun) == [("masked", 0), ("none", 0)]
    assert [(run.arm, run.miou) for run in result.runs] == [
        (run.arm, run.miou) for run in finished[1].runs
    ]
    assert set(states(tmp_path).values()) == {"complete"}
    assert read_result(tmp_path) == result
    with pytest.raises(UsageError, match="1 run at a time or more, got 0"):
        conduct(SHORT, squares, quick, tmp_path, jobs=0)


def test_an_error_of_a_run_side_by_side_ends_the_study(squares, quick, tmp_path):
    plan = replace(SHORT, arms=(replace(SHORT.arms[0], name="broken"), SHORT.arms[0]))
    broken = tmp_path / "runs/broken/seed-0"
    broken.mkdir(parents=True)
    (broken / "last.pt").write_bytes(b"no checkpoint")
    with pytest.raises(MaskAttnError, match="last.pt"):
        conduct(plan, squares, quick, tmp_path, jobs=2)


def test_runs_side_by_side_are_stopped(squares, quick, tmp_path):
    long = replace(quick, training=replace(quick.training, epochs=1000))
    with pytest.raises(TrainingInterrupted, match="0 of 2 runs are complete, the same command"):
        conduct(
            SHORT,
            squares,
            long,
            tmp_path,
            jobs=2,
            stop=lambda: any(tmp_path.glob("runs/*/*/history.csv")),
        )
    assert set(states(tmp_path).values()) == {"started"}


def test_shares_of_the_data(squares, quick, tmp_path):
    assert {arm.attention for arm in FRACTIONS.arms} == {None}
    assert [arm.fraction for arm in FRACTIONS.arms] == [0.1, 0.25, 0.5, 0.75, 1.0]
    plan = replace(FRACTIONS, arms=FRACTIONS.arms[1:2], baseline="025")
    (run,) = conduct(plan, squares, quick, tmp_path).runs
    assert run.images == 2
    last = load_checkpoint(tmp_path / "runs/025/seed-0/last.pt")
    assert last.resume["step"] == 1  # of a batch of 8, as with all images


def test_a_variant_is_trained_and_scored(squares, quick, tmp_path):
    plan = PLANS["attention"]
    arms = tuple(arm for arm in plan.arms if arm.name in ("masked_share", "pooled"))
    plan = replace(plan, arms=arms, baseline="pooled")
    result = conduct(plan, squares, quick, tmp_path)
    assert [run.arm for run in result.runs] == ["masked_share", "pooled"]
    best = load_checkpoint(tmp_path / "runs/masked_share/seed-0/best.pt")
    assert best.training["settings"]["mask_share"] == 0.5


def test_every_plan_has_its_baseline_and_arms_of_their_own():
    for name, plan in PLANS.items():
        names = [arm.name for arm in plan.arms]
        assert plan.name == name
        assert plan.baseline in names
        assert len(set(names)) == len(names)


def test_the_command(squares, tmp_path, capsys):
    words = ["--data", str(squares.root), "--size", "n", "--height", "32", "--width", "32"]
    words += ["--epochs", "1", "--seeds", "1", "--batch", "8", "--device", "cpu"]
    assert run_command(["study", "ablation", *words, "--out", str(tmp_path / "out")]) == 0
    said = capsys.readouterr()
    assert "4/4  mask attention, seed 0: mIoU" in said.err
    assert "1 epochs of batch 8; 4 of 4 runs complete" in " ".join(said.out.split())
    assert run_command(["study", "show", str(tmp_path / "out")]) == 0
    assert "4 of 4 runs complete" in " ".join(capsys.readouterr().out.split())
    assert run_command(["study", "show", str(tmp_path)]) == 1
    assert "holds no study" in capsys.readouterr().err
    assert run_command(["study", "ablation", *words, "--seeds", "0"]) == 2
    assert "a study has 1 to 1000 seeds, got 0" in capsys.readouterr().err


def test_the_recipe_reaches_every_run_and_is_noted(squares, tmp_path, capsys, monkeypatch):
    given, studied = [], []

    def noted(plan, dataset, settings, out, **rest):
        studied.append(replace(plan, arms=plan.arms[:1], baseline=plan.arms[0].name))
        given.append(settings)
        return conduct(studied[-1], dataset, settings, out, **rest)

    monkeypatch.setattr(sys.modules["maskattn_models.study"], "conduct", noted)
    out = tmp_path / "out"
    words = ["study", "fractions", "--data", str(squares.root), "--out", str(out), "--size", "n"]
    words += ["--height", "32", "--width", "32", "--epochs", "1", "--seeds", "1", "--batch", "4"]
    recipe = ["--backbone", "efficientnet-lite0", "--no-pretrained", "--attention", "convolution"]
    recipe += ["--loss", "cross-entropy+dice", "--cutmix", "0.25", "--lr", "0.002"]
    assert run_command([*words, *recipe]) == 0
    said = " ".join(capsys.readouterr().out.split())
    assert "Recipe: attention convolution; backbone efficientnet-lite0 from random weights" in said
    assert "loss cross-entropy+dice; CutMix 0.25; learning rate 0.002; weight decay 0.05" in said
    best = load_checkpoint(out / "runs/010/seed-0/best.pt")
    assert (best.network.backbone, best.network.attention) == ("efficientnet-lite0", "convolution")
    settings = best.training["settings"]
    assert settings["augment"]["cutmix"] == 0.25
    assert [settings[name] for name in ("loss", "learning_rate", "batch", "pretrained")] == [
        "cross-entropy+dice", 0.002, 4, False,
    ]  # fmt: skip
    manifest = json.loads((out / "study.json").read_text())["study"]
    assert manifest["arms"]["010"]["attention"] == manifest["network"]["attention"] == "convolution"
    for changed, message in [
        (
            ("--loss", "cross-entropy"),
            "has loss 'cross-entropy+dice', this command 'cross-entropy'",
        ),
        (("--cutmix", "0.5"), "has cutmix 0.25, this command 0.5: repeat"),
        (("--attention", "none"), "has attention 'convolution', this command 'none'"),
        (("--lr", "0.001"), "has learning rate 0.002, this command 0.001"),
        (("--batch", "8"), "has batch 4, this command 8"),
    ]:
        assert run_command([*words, *recipe, *changed]) == 2
        said = " ".join(capsys.readouterr().err.split())
        assert f"the study in {out} {message}" in said
    assert run_command([*words, "--attention", "convolution"]) == 2
    assert "has backbone 'efficientnet-lite0', this command None" in capsys.readouterr().err


def test_a_study_has_no_option_for_what_it_varies(capsys):
    for name, plan in PLANS.items():
        left_to_it = any(arm.attention is None for arm in plan.arms)
        assert left_to_it == ("attention" not in VARIED.get(name, ()))
        assert run_command(["study", name, "--data", "x", "--attention", "none"]) in (1, 2)
        assert ("No such option: --attention" in capsys.readouterr().err) != left_to_it


def test_results_from_before_recipes_were_noted_are_shown(finished, tmp_path):
    content = json.loads((finished[0] / "results.json").read_text())
    assert content.pop("recipe")["loss"] == "cross-entropy+dice"
    (tmp_path / "results.json").write_text(json.dumps(content))
    assert "Recipe" not in conditions(read_result(tmp_path))


def test_the_command_that_counts(capsys):
    assert run_command(["study", "sizes"]) == 0
    said = capsys.readouterr().out
    assert "0.966" in said
    assert "10.699" in said
