from __future__ import annotations

import numpy as np
import pytest
from typer.testing import CliRunner

from maskattn_edge.cli.data import app
from maskattn_edge.contract.errors import DataError
from maskattn_models.data import check_dataset


def quiet(*_: object) -> None:
    pass


@pytest.fixture
def folder(tmp_path, files):
    files.json(tmp_path / "classes.json", ["floor", "wall", "door"])
    for index in range(6):
        mask = np.zeros((4, 6), np.uint8)
        mask[1] = 1
        files.write(tmp_path / f"images/train/{index}.png", np.zeros((4, 6, 3), np.uint8))
        files.write(tmp_path / f"masks/train/{index}.png", mask)
    return tmp_path


def test_a_whole_set_has_no_problem_and_tells_what_is_in_it(folder, files):
    files.write(folder / "masks/train/5.png", np.full((4, 6), 255, np.uint8))
    told = []
    report = check_dataset(folder, progress=lambda *done: told.append(done))
    assert report.problems == ()
    assert report.images == {"train": 6}
    assert report.unlabelled == {"train": 1}
    assert report.pixels == {"floor": 90, "wall": 30, "door": 0}
    assert report.absent == ("door",)
    assert told[-1] == (f"{folder.name} train", 6, 6)


def test_every_unusable_file_is_named(folder, files):
    (folder / "images/train/1.png").write_bytes(b"\x89PNG cut")
    files.write(folder / "masks/train/2.png", np.full((4, 6), 3, np.uint8))
    files.write(folder / "masks/train/3.png", np.zeros((4, 5), np.uint8))
    files.write(folder / "masks/train/4.png", np.zeros((4, 6, 3), np.uint8))
    problems = check_dataset(folder, progress=quiet).problems
    assert [problem.split(": ")[0].rsplit("/", 3)[1:] for problem in problems] == [
        ["images", "train", "1.png"],
        ["masks", "train", "2.png"],
        ["masks", "train", "3.png"],
        ["masks", "train", "4.png"],
    ]
    assert all("\n" not in problem for problem in problems)


def test_the_command_lists_them_and_fails(folder):
    for index in range(1, 6):
        (folder / f"images/train/{index}.png").write_bytes(b"")
    done = CliRunner().invoke(app, ["check", str(folder)])
    assert done.stdout.count("not a readable image") == 5
    assert "all files can be used" not in done.stdout
    assert isinstance(done.exception, DataError)
    assert "5 files cannot be used, listed above" in str(done.exception)


def test_a_segment_that_no_pixel_has_is_named(coco_root):
    path = coco_root / "annotations/panoptic_val2017.json"
    extra = '{"id": 5, "category_id": 1, "iscrowd": 0}, {"id": 70000'
    path.write_text(path.read_text().replace('{"id": 70000', extra, 1))
    (problem,) = check_dataset(coco_root, progress=quiet).problems
    assert "139.png: the annotations list segment 1 of 4, but no pixel has its id" in problem


def test_damage_that_only_segments_show_is_named(cityscapes_root, files):
    path = cityscapes_root / "gtFine/val/frankfurt/frankfurt_000000_000019_gtFine_instanceIds.png"
    files.write(path, np.full((8, 16), 99, np.uint16))
    (problem,) = check_dataset(cityscapes_root, progress=quiet).problems
    assert problem.startswith(f"{path}: holds the value 99; label ids end at 33")


def test_outlines_may_cover_each_other(coco_root):
    path = coco_root / "annotations/instances_val2017.json"
    text = path.read_text()
    path.write_text(text.replace("[2.0, 4.0, 4.0, 4.0, 4.0, 6.0, 2.0, 6.0]", "[0, 0, 1, 1]"))
    assert check_dataset(coco_root, "instances", progress=quiet).problems == ()
