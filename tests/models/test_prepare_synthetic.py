import errno
import hashlib
import json
import sys
from pathlib import Path

import av
import cv2
import numpy as np
import pytest
from typer.testing import CliRunner

import maskattn_models.data.synthetic as synthetic
from maskattn_benchmarks.linear_pixel import linear_pixel, main
from maskattn_edge.cli.data import app
from maskattn_edge.contract.classes import read_classes
from maskattn_edge.contract.errors import DataError, MissingDependencyError, UsageError
from maskattn_edge.synthetic import CLASSES
from maskattn_models.data.synthetic import prepare_synthetic


def hashes(folder: Path) -> dict[str, str]:
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in folder.rglob("*")
        if path.is_file()
    }


@pytest.fixture(scope="module")
def prepared(tmp_path_factory):
    folder = tmp_path_factory.mktemp("data") / "set"
    prepare_synthetic(folder, images=60, seed=3, clips=1, clip_frames=3, workers=1)
    return folder


def test_layout(prepared):
    for kind, suffix in (("images", "jpg"), ("masks", "png"), ("instances", "png")):
        for split, count in (("train", 48), ("val", 6), ("test", 6)):
            names = sorted(path.name for path in (prepared / kind / split).iterdir())
            assert names == [f"{index:06d}.{suffix}" for index in range(count)]
    assert read_classes(prepared / "classes.json") == CLASSES
    manifest = json.loads((prepared / "manifest.json").read_text())
    assert manifest["images"] == {"train": 48, "val": 6, "test": 6}
    assert manifest["seed"] == 3
    assert [path.name for path in prepared.parent.iterdir()] == ["set"]


def test_masks_hold_classes_only(prepared):
    for path in (prepared / "masks").rglob("*.png"):
        mask = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
        assert mask.shape == (240, 320)
        assert mask.dtype == np.uint8
        assert mask.max() < len(CLASSES)


def test_no_picture_is_in_two_places(prepared):
    found = [digest for name, digest in hashes(prepared).items() if name.endswith(".jpg")]
    assert len(set(found)) == 60


def test_a_clip_plays_and_has_a_label_map_for_each_frame(prepared):
    with av.open(str(prepared / "clips" / "clip_0.mp4")) as container:
        frames = [frame.to_ndarray(format="bgr24") for frame in container.decode(video=0)]
    assert [frame.shape for frame in frames] == [(480, 640, 3)] * 3
    labels = sorted((prepared / "clips" / "clip_0").iterdir())
    assert [path.name for path in labels] == [f"{index:06d}.png" for index in range(3)]
    assert cv2.imread(str(labels[0]), cv2.IMREAD_UNCHANGED).shape == (480, 640)


def test_the_number_of_workers_changes_nothing(tmp_path):
    calls = []
    for name, workers in (("one", 1), ("two", 2)):
        prepare_synthetic(
            tmp_path / name, images=12, seed=1, clips=1, clip_frames=2, workers=workers,
            progress=lambda done, total: calls.append((done, total)),
        )  # fmt: skip
        assert calls[-1] == (14, 14)
    assert hashes(tmp_path / "one") == hashes(tmp_path / "two")


@pytest.mark.parametrize("interruption", [KeyboardInterrupt, RuntimeError])
def test_an_interrupted_run_leaves_nothing(tmp_path, interruption):
    def progress(done: int, total: int) -> None:
        raise interruption

    with pytest.raises(interruption):
        prepare_synthetic(
            tmp_path / "set", images=10, seed=0, clips=0, workers=1, progress=progress
        )
    assert list(tmp_path.iterdir()) == []


def test_a_full_disk_is_one_line_and_leaves_nothing(tmp_path, monkeypatch):
    def save(path: Path, image: object, options: object = None) -> None:
        raise OSError(errno.ENOSPC, "No space left on device", str(path))

    monkeypatch.setattr(synthetic, "save", save)
    with pytest.raises(DataError, match="No space left on device.*free some space") as caught:
        prepare_synthetic(tmp_path / "set", images=10, seed=0, clips=0, workers=1)
    assert "\n" not in str(caught.value)
    assert list(tmp_path.iterdir()) == []


def test_an_existing_data_set_is_not_touched(tmp_path):
    (tmp_path / "mine.txt").write_text("x")
    with pytest.raises(DataError, match="exists and is not empty: remove it or name another"):
        prepare_synthetic(tmp_path, images=10, seed=0)
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]


def test_a_file_in_the_way_is_refused(tmp_path):
    (tmp_path / "set").write_text("x")
    with pytest.raises(DataError, match="exists and is not empty"):
        prepare_synthetic(tmp_path / "set", images=10, seed=0)
    with pytest.raises(DataError, match="cannot write the data set"):
        prepare_synthetic(tmp_path / "set" / "below", images=10, seed=0)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"images": 9}, "10 images or more .* got 9"),
        ({"seed": -1}, "a seed is 0 or more, got -1"),
        ({"clips": -1}, "-1 clips of 90 frames"),
        ({"clip_frames": 0}, "2 clips of 0 frames"),
        ({"workers": 0}, "workers must be 1 or more, got 0"),
    ],
)
def test_wrong_numbers(tmp_path, wrong, message):
    with pytest.raises(UsageError, match=message):
        prepare_synthetic(tmp_path / "set", **{"images": 10, "seed": 0, **wrong})
    assert list(tmp_path.iterdir()) == []


def test_the_command_writes_and_says_where(tmp_path):
    arguments = ["prepare", "synthetic", str(tmp_path / "set"), "--images", "10", "--clips", "0"]
    result = CliRunner().invoke(app, [*arguments, "--workers", "1"])
    assert result.exit_code == 0, result.output
    assert "10 images and 0 clips with labels, seed 0, written to" in result.stdout
    assert (tmp_path / "set" / "manifest.json").exists()


def test_a_linear_classifier_does_not_solve_it(prepared):
    rgb, with_position = linear_pixel(prepared, pixels=4000)
    assert rgb.images == 6
    assert rgb.iou.shape == (len(CLASSES),)
    assert 0 < rgb.miou < 0.4
    assert 0 < with_position.miou < 0.4


def test_the_benchmark_reports_a_missing_folder(tmp_path, capsys):
    assert main([str(tmp_path / "none")]) == 1
    assert "cannot read the class list" in capsys.readouterr().err


def test_clips_without_pyav_say_what_is_missing(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setitem(sys.modules, "av", None)
    with pytest.raises(MissingDependencyError, match=r"pip install 'maskattn-edge\[h264\]'"):
        prepare_synthetic(tmp_path / "a", images=10, seed=0, clips=1)
    assert not list(tmp_path.iterdir())
    prepare_synthetic(tmp_path / "a", images=10, seed=0, clips=0, workers=1)
    assert (tmp_path / "a" / "manifest.json").exists()
