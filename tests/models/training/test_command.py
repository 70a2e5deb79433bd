"""`maskattn-edge train`, from the command line's words to files and exit codes."""

import pytest

from maskattn_edge.cli.app import run_command

QUICK = ["--size", "n", "--height", "32", "--width", "32", "--batch", "4", "--device", "cpu"]


def command(squares, *words):
    return run_command(["train", "--data", str(squares.root), *QUICK, *words])


def test_it_trains_and_says_what_to_do_next(squares, tmp_path, capsys):
    out = tmp_path / "run"
    assert command(squares, "--epochs", "2", "--out", str(out)) == 0
    said = capsys.readouterr()
    assert "epoch 2/2  loss" in said.err
    assert f"next: maskattn-edge export {out / 'best.pt'}" in said.out
    for word in ("square", "mean IoU", "history.csv", "masks.png"):
        assert word in said.out
    assert command(squares, "--epochs", "2", "--out", str(out)) == 2
    assert "go on with --resume, or choose another --out" in capsys.readouterr().err
    assert command(squares, "--epochs", "2", "--out", str(out), "--resume") == 0
    assert "all 2 epochs are done" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--task", "panoptic"], "the task 'panoptic' is not available yet; available: semantic"),
        (["--task", "depth"], "unknown task 'depth'; available: semantic"),
        (["--size", "xl"], "unknown size 'xl'; available: n, s, m, l"),
        (["--device", "tpu"], "unknown device 'tpu'; available: auto, cpu, cuda"),
        (["--resize", "crop"], "unknown resize 'crop'; available: stretch, letterbox"),
        (["--epochs", "0"], "epochs must be 1 to"),
    ],
)
def test_wrong_words_are_answered_in_one_line(squares, tmp_path, capsys, words, message):
    assert command(squares, "--out", str(tmp_path / "run"), *words) == 2
    error = capsys.readouterr().err
    assert message in " ".join(error.split())
    assert "Traceback" not in error
    assert not (tmp_path / "run").exists()
