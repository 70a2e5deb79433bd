"""The published table's commands, run whole on small sets in the official formats."""

import json

import pytest


@pytest.fixture(scope="module")
def paper(load_study):
    return load_study("paper_table")


def test_three_sets_and_three_tasks_make_one_table(
    paper, coco_root, ade20k_root, cityscapes_root, tmp_path, capsys
):
    sources = {"coco": coco_root, "ade20k": ade20k_root, "cityscapes": cityscapes_root}
    words = ["--root", str(tmp_path / "data"), "--out", str(tmp_path / "out"), "--epochs", "1"]
    words += ["--size", "n", "--height", "32", "--width", "32", "--device", "cpu", "--source"]
    words += [f"{name}={folder}" for name, folder in sources.items()]
    paper.main([*words, "--", "--no-samples"])
    said = capsys.readouterr().out
    assert said.count("maskattn-edge data prepare") == 3
    assert said.count("maskattn-edge train") == said.count("maskattn-edge evaluate") == 9
    results = json.loads((tmp_path / "out" / "results.json").read_text())
    assert [(row["set"], row["task"]) for row in results["runs"]] == [
        (name, task) for name in sources for task in ("semantic", "panoptic", "instance")
    ]
    for row in results["runs"]:
        assert 0 <= row["full"] <= 1
        assert 0 <= row["grid"] <= 1
        assert row["gflops"] > 0
    written = (tmp_path / "out" / "table.md").read_text()
    assert "| n, 32x32, full size | 0.01 to 0.02 | 0.2" in written
    assert "| MaskAttn-UNet | 11 | 46 | 45.3/35.7/31.5 |" in written

    paper.main([*words, "--", "--no-samples"])  # all is done
    again = capsys.readouterr().out
    assert "maskattn-edge" not in again
    assert again.strip() == written.strip()
    paper.main(["--show", str(tmp_path / "out" / "results.json")])
    assert capsys.readouterr().out == again


def test_what_is_missing_is_named(paper):
    rows = [{"set": "coco", "task": "instance", "full": None, "grid": 0.25, "gflops": 1.0,
             "m_parameters": 1.2}]  # fmt: skip
    content = {"runs": rows, "size": "s", "height": 128, "width": 128}
    full, grid = paper.table(content).splitlines()[2:4]
    assert full.startswith("| s, 128x128, full size | 1.00 | 1.20 | not measured/not measured/- |")
    assert grid.startswith(
        "| s, 128x128, on the grid | 1.00 | 1.20 | not measured/not measured/25.0 |"
    )


def test_a_source_needs_a_known_name(paper, tmp_path, capsys):
    with pytest.raises(SystemExit, match="2"):
        paper.main(["--root", "data", "--out", str(tmp_path), "--source", "voc=here"])
    assert "got 'voc'" in capsys.readouterr().err
