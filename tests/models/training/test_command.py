"""`maskattn-edge train`, from the command line's words to files and exit codes."""

import pytest

from maskattn_edge.cli.app import run_command
from maskattn_models.checkpoint import load_checkpoint

QUICK = ["--size", "n", "--height", "32", "--width", "32", "--batch", "4", "--device", "cpu"]


def command(squares, *words):
    return run_command(["train", "--data", str(squares.root), *QUICK, *words])


def test_it_trains_and_says_what_to_do_next(squares, tmp_path, capsys):
    out = tmp_path / "run"
    assert command(squares, "--epochs", "2", "--out", str(out), "--attention", "masked") == 0
    said = capsys.readouterr()
    assert "epoch 2/2  loss" in said.err
    assert f"next: maskattn-edge export {out / 'best.pt'}" in said.out
    assert "images/s on cpu" in said.out
    for word in ("square", "mean IoU", "history.csv", "masks.png"):
        assert word in said.out
    assert command(squares, "--epochs", "2", "--out", str(out)) == 2
    assert "go on with --resume, or choose another --out" in capsys.readouterr().err
    assert (
        command(squares, "--epochs", "2", "--out", str(out), "--attention", "masked", "--resume")
        == 0
    )
    assert "all 2 epochs are done" in capsys.readouterr().err


def test_every_option_reaches_the_run(squares, tmp_path):
    plain, rich = tmp_path / "plain", tmp_path / "rich"
    assert command(squares, "--epochs", "1", "--out", str(plain)) == 0
    words = [
        *("--backbone", "efficientnet-lite0", "--no-pretrained", "--cutmix", "0.25"),
        *("--loss", "cross-entropy+lovasz", "--teacher", str(plain / "best.pt")),
        *("--teacher-weight", "0.75", "--teacher-temperature", "3"),
    ]
    assert command(squares, "--epochs", "1", "--out", str(rich), *words) == 0
    best = load_checkpoint(rich / "best.pt")
    assert best.network.backbone == "efficientnet-lite0"
    assert best.training["run"]["teacher"] == load_checkpoint(plain / "best.pt").sha256
    settings = best.training["settings"]
    names = ("pretrained", "loss", "teacher_weight", "teacher_temperature")
    assert [settings[name] for name in names] == [False, "cross-entropy+lovasz", 0.75, 3.0]
    assert settings["augment"]["cutmix"] == 0.25


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--task", "panoptic"], "a network for the task 'panoptic' needs classes that are things"),
        (["--task", "depth"], "unknown task 'depth'; available: semantic, instance, panoptic"),
        (["--size", "xl"], "unknown size 'xl'; available: n, s, m, l"),
        (["--device", "tpu"], "unknown device 'tpu'; available: auto, cpu, cuda"),
        (["--resize", "crop"], "unknown resize 'crop'; available: stretch, letterbox"),
        (["--epochs", "0"], "epochs must be 1 to"),
        (["--backbone", "vgg"], "unknown backbone 'vgg'; available: efficientnet-lite0"),
        (["--no-pretrained"], "--no-pretrained means nothing without --backbone: add it, or leave"),
        (["--teacher-weight", "0.3"], "--teacher-weight means nothing without --teacher"),
        (["--teacher", "none.pt", "--teacher-temperature", "0"], "teacher temperature must be"),
        (["--loss", "dice"], "unknown loss 'dice'; available: cross-entropy, cross-entropy+dice"),
        (["--mask-share", "0.5"], "no mask attention: choose --attention masked, or leave out"),
        (["--contrastive", "0.1"], "needs instances, which the task 'semantic' has not: choose"),
        (["--contrastive", "-1"], "contrastive weight must be 0 to 1000, got -1"),
        (["--cutmix", "2"], "cutmix must be 0 to 1, got 2"),
    ],
)
def test_wrong_words_are_answered_in_one_line(squares, tmp_path, capsys, words, message):
    assert command(squares, "--out", str(tmp_path / "run"), *words) == 2
    error = capsys.readouterr().err
    assert message in " ".join(error.split())
    assert "Traceback" not in error
    assert not (tmp_path / "run").exists()


def test_a_peer_is_trained_by_the_same_code(squares, tmp_path):
    out = tmp_path / "peer"
    assert command(squares, "--epochs", "1", "--out", str(out), "--peer", "plain-unet") == 0
    checkpoint = load_checkpoint(out / "best.pt")
    assert checkpoint.network.peer == "plain-unet"
    assert type(checkpoint.build()).__name__ == "PlainUNet"
