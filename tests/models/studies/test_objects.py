"""The comparison of ways to tell objects apart, run whole on a few tiny images."""

import json

import cv2
import numpy as np
import pytest

from maskattn_edge.contract.classes import ClassInfo
from maskattn_edge.segments import Segments

SIDE = 32
TINY = ["--", "--height", "32", "--width", "32", "--batch", "4", "--no-samples"]


@pytest.fixture(scope="module")
def study(load_study):
    return load_study("objects")


def write_squares(root):
    """Two bright squares on a dark ground in each image, as a plain folder with instances."""
    rng = np.random.default_rng(0)
    for split in ("train", "val", "test"):
        for kind in ("images", "masks", "instances"):
            (root / kind / split).mkdir(parents=True)
        for index in range(4):
            instances = np.zeros((SIDE, SIDE), np.uint8)
            for number, left in enumerate((1, 17), start=1):
                top = int(rng.integers(0, 16))
                instances[top : top + 15, left : left + 14] = number
            mask = (instances > 0).astype(np.uint8)
            for kind, picture in (
                ("images", 200 * mask),
                ("masks", mask),
                ("instances", instances),
            ):
                assert cv2.imwrite(str(root / kind / split / f"{index}.png"), picture)
    (root / "classes.json").write_text('["ground", {"name": "square", "thing": true}]')
    return root


@pytest.fixture(scope="module")
def words(tmp_path_factory):
    folder = tmp_path_factory.mktemp("objects")
    data = write_squares(folder / "squares")
    given = ["--data", str(data), "--out", str(folder / "out"), "--epochs", "1", "--seeds", "1"]
    return [*given, "--size", "n", "--device", "cpu", "--min-area", "8", "100000"]


@pytest.fixture(scope="module")
def out(words):
    return words[words.index("--out") + 1]


def test_networks_are_trained_scored_and_compared(study, words, out, tmp_path, capsys):
    study.main([*words, *TINY])
    said = capsys.readouterr().out
    assert said.count("maskattn-edge train") == 3
    assert said.count("maskattn-edge evaluate") == 4 + 2 + 1
    results = json.loads((tmp_path / out / "results.json").read_text())
    assert [row["method"] for row in results["runs"]] == [
        "semantic, regions of 8+ cells",
        "semantic, regions of 100000+ cells",
        "panoptic",
        "instance",
    ]
    report = json.loads((tmp_path / out / "panoptic" / "seed0" / "panoptic-test.json").read_text())
    regions, _, row, instance = results["runs"]
    assert regions["grid"]["pq"] is not None
    assert row["grid"]["pq"] == report["grid"]["all"]["pq"]
    assert row["full"]["miou"] == report["full"]["miou"]
    assert row["full"]["ap"] is not None
    assert "pq" not in instance["grid"]

    study.main([*words, *TINY])  # all is done
    again = capsys.readouterr().out
    assert "maskattn-edge" not in again
    study.main(["--show", str(tmp_path / out / "results.json")])
    assert capsys.readouterr().out == again
    assert said.endswith(again)


def test_networks_are_drawn_beside_each_other(load_study, words, out, tmp_path, capsys):
    models = [f"{out}/{task}/seed0/best.pt" for task in ("panoptic", "semantic")]
    data = words[words.index("--data") + 1]
    drawn = [tmp_path / name for name in ("one.png", "both.png")]
    for path, chosen in zip(drawn, (models[:1], models), strict=True):
        given = [*chosen, "--data", data, "--out", str(path), "--count", "2", "--min-area", "8"]
        load_study("side_by_side").main(given)
    one, both = (cv2.imread(str(path)) for path in drawn)
    assert one.shape[0] >= both.shape[0] > 2 * 320
    assert both.shape[1] - one.shape[1] == 336  # a tile and its margin more
    assert "both.png" in capsys.readouterr().out


def test_objects_are_drawn_without_the_images(load_study, words, out, tmp_path):
    data, path = words[words.index("--data") + 1], tmp_path / "objects.png"
    given = [f"{out}/panoptic/seed0/best.pt", "--data", data, "--out", str(path), "--count", "2"]
    load_study("side_by_side").main([*given, "--objects-only"])
    drawn = cv2.imread(str(path))
    assert drawn.shape[1] == 16 + 2 * 336  # truth and one network
    colors = np.unique(drawn[46:350].reshape(-1, 3), axis=0).tolist()
    assert [225, 225, 225] in colors  # what is no object
    assert len(colors) > 2  # and objects, with borders


def test_what_is_no_object_is_one_segment(load_study):
    classes = [ClassInfo("road", (0, 0, 0)), ClassInfo("cup", (9, 9, 9), thing=True)]
    segments = Segments(
        map=np.array([[0, 1, 2], [3, 1, 2]], np.uint16), label=np.array([0, 1, 1], np.uint8)
    )
    found = load_study("side_by_side").objects_of(segments, classes)
    assert found.map.tolist() == [[3, 3, 1], [2, 3, 1]]
    assert found.label.tolist() == [1, 1, 2]


def test_errors_are_told_apart(load_study, words, out, capsys):
    data = words[words.index("--data") + 1]
    load_study("object_errors").main([f"{out}/panoptic/seed0/best.pt", "--data", data])
    mixtures, classes = capsys.readouterr().out.strip().split("\n\n")[1:]
    rows = {
        cells[1].strip(): [float(cell) for cell in cells[2:-1]]
        for line in mixtures.splitlines()[2:]
        if (cells := line.split("|"))
    }
    assert rows["all true"][1] > 90
    assert rows["all true"][1] == rows["all true"][5]  # of one class, classes can't be wrong
    assert rows["its own maps"][1] < rows["all true"][1]
    assert classes.splitlines()[2].startswith("| square |")


def test_constants_are_swept(load_study, words, out, capsys):
    data = words[words.index("--data") + 1]
    load_study("grouping_sweep").main([f"{out}/panoptic/seed0/best.pt", "--data", data])
    tried = capsys.readouterr().out.splitlines()[4:]
    assert len(tried) == 7 + 4 + 5 + 1
    usual = [line for line in tried[:-1] if line.startswith("| 0.1 | 6 | 9 |")]
    assert len(usual) == 3  # as one of the values of each constant
    assert len(set(usual)) == 1


def test_losses_are_weighed(load_study, words, out, capsys):
    data = words[words.index("--data") + 1]
    load_study("loss_balance").main([f"{out}/panoptic/seed0/best.pt", "--data", data])
    rows = [line.split("|")[1:-1] for line in capsys.readouterr().out.splitlines()[2:]]
    assert [row[0].strip() for row in rows] == ["train", "val"]
    assert all(row[1].strip().endswith("/ 1.0") for row in rows)
    assert all(0 < float(row[5]) < 1 for row in rows)


@pytest.mark.parametrize("script", ["object_errors", "grouping_sweep", "loss_balance"])
def test_a_network_without_heads_is_refused(load_study, script, words, out, capsys):
    data = words[words.index("--data") + 1]
    with pytest.raises(SystemExit, match="2"):
        load_study(script).main([f"{out}/semantic/seed0/best.pt", "--data", data])
    assert "tells no objects apart; give a panoptic checkpoint" in capsys.readouterr().err


def test_what_follows_the_dashes_decides_what_a_run_is(study, words, out):
    with pytest.raises(SystemExit, match="not of `train .* --lr 0.1`: choose another --out"):
        study.main([*words, *TINY, "--lr", "0.1"])


def test_a_run_that_was_cut_off_goes_on(study, words, out, tmp_path, capsys):
    words = [*words, "--tasks", "instance", "--seeds", "2", "--out", str(tmp_path)]
    study.main([*words, *TINY])
    folder = tmp_path / "instance" / "seed1"
    note = json.loads((folder / "run.json").read_text())
    (folder / "run.json").write_text(json.dumps({"options": note["options"]}))
    (folder / "instance-test.json").unlink()
    capsys.readouterr()
    study.main([*words, *TINY])
    said = capsys.readouterr().out
    assert said.count("--resume") == said.count("maskattn-edge train") == 1
    assert said.count("maskattn-edge evaluate") == 1
    assert json.loads((folder / "run.json").read_text())["done"]


def test_a_failing_command_ends_the_comparison(study, words, tmp_path):
    with pytest.raises(SystemExit, match="2"):
        study.main([*words, "--out", str(tmp_path), "--epochs", "0", *TINY])


def row(task, seed, *, method=None, pq=None, ap=None):
    scores = {"pq": pq, "ap": ap}
    return {"task": task, "method": method or task, "seed": seed, "grid": scores, "full": scores}


def test_each_score_is_set_beside_the_best_regions_of_its_seed(study, monkeypatch):
    monkeypatch.setattr(study, "SCORES", {"pq": "PQ", "ap": "mask AP"})
    monkeypatch.setattr(study, "SIZES", {"grid": "on the grid"})
    rows = [
        row("semantic", 0, method="24", pq=0.20, ap=0.12),
        row("semantic", 0, method="64", pq=0.24, ap=0.10),
        row("panoptic", 0, pq=0.40, ap=0.20),
        row("semantic", 1, method="24", pq=0.30, ap=0.10),
        row("semantic", 1, method="64", pq=0.28, ap=0.12),
        row("panoptic", 1, pq=0.50, ap=None),
        row("instance", 2, ap=0.30),
    ]
    lines = study.tables(rows).splitlines()
    assert lines[4:9] == [
        "| 24 | 2 | 25.00 ± 7.07 | 11.00 ± 1.41 |",
        "| 64 | 2 | 26.00 ± 2.83 | 11.00 ± 1.41 |",
        "| panoptic | 2 | 45.00 ± 7.07 | 20.00 |",
        "| instance | 1 | - | 30.00 |",
        "| semantic, best regions | 2 | 27.00 ± 4.24 | 12.00 ± 0.00 |",
    ]
    assert lines[-2:] == [
        "| panoptic - semantic | PQ | 18.00 ± 2.83 | +16.00, +20.00 |",
        "| panoptic - semantic | mask AP | 8.00 | +8.00 |",
    ]
