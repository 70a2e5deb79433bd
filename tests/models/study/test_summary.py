import statistics

import cv2
import pytest

from maskattn_edge.contract.errors import DataError
from maskattn_models.study import RunResult, StudyResult, read_result, summarise, table
from maskattn_models.study.report import to_markdown, write_plots, write_tables

SCORES = {"none": [0.40, 0.42, 0.47], "masked": [0.43, 0.44, 0.45], "plain": [0.5]}


def run(arm, seed, miou, images=8):
    return RunResult(
        arm=arm, seed=seed, images=images, gflops=0.97, parameters=1_200_000, best_epoch=3,
        val_miou=0.5, miou=miou, full_miou=miou, seconds=1.5, device="CPU",
        keys_kept={"attention3": 0.5 + seed / 10} if arm == "masked" else {},
        date=f"2026-11-2{seed + 1}T10:00:00+00:00",
    )  # fmt: skip


def study(scores=SCORES, **changes):
    runs = [run(arm, seed, miou) for arm, all_ in scores.items() for seed, miou in enumerate(all_)]
    return StudyResult(
        **{
            "plan": "ablation", "title": "What follows", "baseline": "none",
            "arms": {"none": "nothing", "masked": "mask", "plain": "plain", "other": "not run"},
            "data": "squares", "split": "test", "size": "s", "height": 128, "width": 128,
            "classes": 2, "epochs": 7, "batch": 4, "planned": 12, "runs": runs,
        } | changes
    )  # fmt: skip


def test_differences_are_paired_by_seed():
    none, masked, plain = summarise(study())
    assert none.difference is None
    differences = [0.03, 0.02, -0.02]
    assert masked.difference.mean == pytest.approx(statistics.mean(differences))
    assert masked.difference.deviation == pytest.approx(statistics.stdev(differences))
    assert (masked.difference.low, masked.difference.high) == pytest.approx((-0.02, 0.03))
    assert plain.difference.mean == pytest.approx(0.1)  # to the baseline of the same seed
    assert plain.difference.deviation is None
    assert masked.keys_kept["attention3"] == pytest.approx(0.6)


def test_without_the_baseline_there_is_no_difference():
    (masked,) = summarise(study({"masked": [0.4]}))
    assert masked.difference is None


def test_the_table_says_all():
    headings, rows = table(study())
    assert headings == [
        "", "GFLOPs", "M params", "seeds", "mIoU, %", "min..max", "difference", "keys kept, %",
    ]  # fmt: skip
    assert rows == [
        ["nothing", "0.97", "1.20", "3", "43.00 ± 3.61", "40.00..47.00", "", ""],
        ["mask", "0.97", "1.20", "3", "44.00 ± 1.00", "43.00..45.00", "+1.00 ± 2.65", "60"],
        ["plain", "0.97", "1.20", "1", "50.00", "50.00..50.00", "+10.00", ""],
    ]


def test_the_table_leaves_out_what_tells_nothing():
    shares = study(runs=[run("none", 0, 0.4, images=10), run("plain", 0, 0.5, images=1000)])
    headings, rows = table(shares)
    assert "keys kept, %" not in headings
    assert [row[1] for row in rows] == ["10", "1,000"]


def test_the_report_names_its_conditions(tmp_path):
    text = to_markdown(study())
    assert "squares, mIoU of the split test on the 128x128 grid, size s, 2 classes" in text
    assert "7 epochs of batch 4; 7 of 12 runs complete; trained on CPU" in text
    assert "2026-11-21 to 2026-11-23" in text
    assert "differences are to 'nothing', seed by seed" in text
    assert text.count("\n|") == 2 + 3
    write_tables(tmp_path, study())
    assert read_result(tmp_path) == study()
    assert (tmp_path / "results.md").read_text(encoding="utf-8") == text


@pytest.mark.parametrize("shares", [False, True])
def test_plots_show_something(tmp_path, shares):
    result = study()
    if shares:
        images = {"none": 10, "masked": 20, "plain": 40}
        result = study(runs=[run(r.arm, r.seed, r.miou, images[r.arm]) for r in result.runs])
    write_plots(tmp_path, result)
    for name in ("scores.png", "differences.png"):
        assert cv2.imread(str(tmp_path / name)).std() > 1


def test_a_study_of_nothing_draws_nothing(tmp_path):
    write_plots(tmp_path, study({}))
    assert not list(tmp_path.iterdir())


def test_damaged_or_missing_results_are_named(tmp_path):
    with pytest.raises(DataError, match=r"results.json: no such file: .* holds no study"):
        read_result(tmp_path)
    (tmp_path / "results.json").write_text('{"plan": 3}')
    with pytest.raises(DataError, match=r"results.json: damaged \("):
        read_result(tmp_path)
    write_tables(tmp_path, study(schema=99))
    with pytest.raises(DataError, match="has schema 99, this release reads 1"):
        read_result(tmp_path)
