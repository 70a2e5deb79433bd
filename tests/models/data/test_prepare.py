"""From a server, or from originals, to arrays on disk."""

from __future__ import annotations

import errno
import hashlib
import io
import shutil
import tarfile
import zipfile
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from maskattn_edge import disk
from maskattn_edge.cli.data import app
from maskattn_edge.contract.errors import DataError, UsageError
from maskattn_edge.download import Remote
from maskattn_edge.preprocess import fit, fit_labels
from maskattn_edge.segment_grid import fit_segments
from maskattn_models.data import (
    ConversionSettings,
    check_dataset,
    content_hash,
    conversion,
    decode_split,
    load_sample,
    load_segments,
    open_dataset,
    prepare,
    store,
)
from maskattn_models.data.archives import ARCHIVES, Archive
from maskattn_models.training import TrainingSettings

SMALL = ConversionSettings(height=8, width=12)


def quiet(*_: object) -> None:
    pass


def zipped(root: Path, *names: str) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name in names:
            for path in (root / name, *sorted((root / name).rglob("*"))):
                if path.is_file():
                    archive.write(path, path.relative_to(root).as_posix())
    return buffer.getvalue()


@pytest.fixture
def coco_server(coco_root, server):
    """COCO's archives as published, zips inside a zip included, and their table."""
    inner = io.BytesIO()
    with zipfile.ZipFile(inner, "w") as archive:
        for split in ("train", "val"):
            name = f"panoptic_{split}2017"
            archive.write(coco_root / "annotations" / f"{name}.json", f"annotations/{name}.json")
            archive.writestr(f"annotations/{name}.zip", zipped(coco_root, name))
    server.files = {
        "annotations_trainval2017.zip": zipped(
            coco_root, "annotations/instances_train2017.json", "annotations/instances_val2017.json"
        ),
        "panoptic_annotations_trainval2017.zip": inner.getvalue(),
        "val2017.zip": zipped(coco_root, "val2017"),
        "train2017.zip": zipped(coco_root, "train2017"),
    }
    table = tuple(
        Archive(
            name=archive.name,
            remote=Remote(
                url=f"{server.url}/{archive.name}",
                size=len(server.files[archive.name]),
                sha256=hashlib.sha256(server.files[archive.name]).hexdigest(),
            ),
            splits=archive.splits,
            annotations=archive.annotations,
        )
        for archive in ARCHIVES["coco"]
    )
    return server, table


def test_coco_from_the_server_to_arrays(coco_server, coco_root, tmp_path):
    server, table = coco_server
    steps = []
    manifest = prepare(
        "coco", tmp_path / "out", SMALL, archives=table, progress=lambda *told: steps.append(told)
    )
    assert manifest.downloads["val2017.zip"] == table[2].remote.sha256
    assert len(server.asked) == 4
    assert {step for step, *_ in steps} >= {"val2017.zip", "unpacking val2017.zip", "coco val"}
    prepared, original = open_dataset(tmp_path / "out"), open_dataset(coco_root)
    assert prepared.classes == original.classes
    assert prepared.tasks == original.tasks
    for split in ("train", "val"):
        for ours, theirs in zip(prepared.split(split), original.split(split), strict=True):
            assert ours.image.resolve() == tmp_path / "out/original" / theirs.image.relative_to(
                coco_root
            )
            np.testing.assert_array_equal(
                load_segments(ours, prepared)[1].map, load_segments(theirs, original)[1].map
            )
    truth = prepared.official_truth("val", "instances")
    assert (
        truth.annotations.read_text()
        == (coco_root / "annotations/instances_val2017.json").read_text()
    )
    assert truth.image_ids == [139, 285]


def test_an_interrupted_preparation_goes_on_without_fetching_again(coco_server, tmp_path):
    server, table = coco_server

    def interrupt(step: str, done: int, total: int) -> None:
        if step == "coco val":
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        prepare("coco", tmp_path / "out", SMALL, archives=table, progress=interrupt)
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [
        "downloads", "original", "train",
    ]  # fmt: skip
    with pytest.raises(DataError, match="no known layout"):
        open_dataset(tmp_path / "out")
    server.asked.clear()
    for name in server.files:  # archives that were unpacked may be removed
        (tmp_path / "out/downloads" / name).unlink()
    prepare("coco", tmp_path / "out", SMALL, archives=table, progress=quiet)
    assert server.asked == []
    assert len(open_dataset(tmp_path / "out").split("val")) == 2


def test_a_corrupted_archive_is_never_unpacked(coco_server, tmp_path):
    server, table = coco_server
    server.files["val2017.zip"] = server.files["train2017.zip"].ljust(table[2].remote.size, b"x")[
        : table[2].remote.size
    ]
    with pytest.raises(DataError, match=r"val2017\.zip\.part: its SHA-256 is"):
        prepare("coco", tmp_path / "out", SMALL, archives=table, progress=quiet)
    assert not (tmp_path / "out/original/val2017").exists()


def test_one_split_fetches_only_what_it_needs(coco_server, tmp_path):
    server, table = coco_server
    manifest = prepare(
        "coco", tmp_path / "out", SMALL, archives=table, splits=["val"], progress=quiet
    )
    assert sorted(manifest.downloads) == sorted(set(server.files) - {"train2017.zip"})
    assert list(manifest.splits) == ["val"]


def test_ade20k_from_a_zip_and_a_tar(ade20k_root, server, tmp_path):
    tar = io.BytesIO()
    with tarfile.open(fileobj=tar, mode="w") as archive:
        archive.add(ade20k_root / "annotations_instance", "annotations_instance")
    shutil.rmtree(ade20k_root / "annotations_instance")
    server.files = {
        "ADEChallengeData2016.zip": zipped(ade20k_root.parent, "ADEChallengeData2016"),
        "annotations_instance.tar": tar.getvalue(),
    }
    table = tuple(
        Archive(
            name=archive.name, into=archive.into, remote=Remote(url=f"{server.url}/{archive.name}")
        )
        for archive in ARCHIVES["ade20k"]
    )
    manifest = prepare("ade20k", tmp_path / "out", SMALL, archives=table, progress=quiet)
    assert manifest.tasks == ("instance", "panoptic", "semantic")
    assert {name: entry.images for name, entry in manifest.splits.items()} == {"train": 2, "val": 1}


def test_cityscapes_says_how_to_get_it_and_takes_its_archives(cityscapes_root, tmp_path):
    downloads = tmp_path / "out/downloads"
    with pytest.raises(DataError, match="needs an account.*gtFine_trainvaltest.zip leftImg8bit"):
        prepare("cityscapes", tmp_path / "out", SMALL, progress=quiet)
    (downloads / "gtFine_trainvaltest.zip").write_bytes(zipped(cityscapes_root, "gtFine"))
    images = zipped(cityscapes_root, "leftImg8bit")
    (downloads / "leftImg8bit_trainvaltest.zip").write_bytes(images)
    manifest = prepare("cityscapes", tmp_path / "out", SMALL, progress=quiet)
    assert manifest.downloads["leftImg8bit_trainvaltest.zip"] == hashlib.sha256(images).hexdigest()
    assert {name: entry.images for name, entry in manifest.splits.items()} == {"train": 1, "val": 1}


@pytest.fixture
def prepared(coco_root, tmp_path):
    prepare("coco", tmp_path / "out", SMALL, source=coco_root, progress=quiet)
    return tmp_path / "out"


def test_the_training_split_is_kept_at_the_size_that_training_asks_for(prepared):
    assert TrainingSettings().working_scale == conversion.WORKING_SCALE
    images = np.load(prepared / "train" / "images.npy")
    assert images.shape == (1, 12, 18, 3)
    assert np.load(prepared / "val" / "labels.npy").shape == (2, 8, 12)


def test_a_prepared_split_is_mapped_and_equals_a_decoded_one(coco_root, prepared, monkeypatch):
    original, dataset = open_dataset(coco_root), open_dataset(prepared)
    decoded = decode_split(original, "train", height=12, width=18, resize="stretch", segments=True)
    monkeypatch.setattr(store, "fit_sample", None)  # nothing may be decoded
    told = []
    mapped = decode_split(
        dataset, "train", height=12, width=18, resize="stretch", segments=True,
        progress=lambda *done: told.append(done),
    )  # fmt: skip
    assert isinstance(mapped.images, np.memmap)
    assert told == [(1, 1)]
    np.testing.assert_array_equal(mapped.images, decoded.images)
    np.testing.assert_array_equal(mapped.labels, decoded.labels)
    for name in ("maps", "offsets", "label", "crowd"):
        ours, theirs = (getattr(found.segments, name) for found in (mapped, decoded))
        np.testing.assert_array_equal(ours, theirs)
    assert mapped.segments[0].crowd.tolist() == [False, True, False]


def test_another_size_is_decoded_from_the_originals(prepared):
    found = decode_split(open_dataset(prepared), "val", height=4, width=6, resize="letterbox")
    assert not isinstance(found.images, np.memmap)
    assert found.labels.shape == (2, 4, 6)


def test_rows_are_those_of_the_samples(prepared):
    dataset = open_dataset(prepared)
    found = decode_split(dataset, "val", height=8, width=12, resize="stretch", segments=True)
    size = {"height": 8, "width": 12, "resize": "stretch"}
    for index, sample in enumerate(dataset.split("val")):
        image, labels = load_sample(sample, dataset)
        segments = load_segments(sample, dataset)[1]
        np.testing.assert_array_equal(found.images[index], fit(image, **size)[0])
        np.testing.assert_array_equal(found.labels[index], fit_labels(labels, outside=255, **size))
        np.testing.assert_array_equal(found.segments[index].map, fit_segments(segments, **size).map)


def test_a_prepared_set_opens_without_reading_originals(coco_root, prepared):
    before = content_hash(open_dataset(prepared), "train")
    shutil.move(coco_root, coco_root.with_name("moved"))
    dataset = open_dataset(prepared)
    assert content_hash(dataset, "train") == before
    assert len(decode_split(dataset, "val", height=8, width=12, resize="stretch")) == 2
    with pytest.raises(DataError, match=r"000000000139\.jpg: no such file"):
        load_sample(dataset.split("val")[0], dataset)


def test_samples_are_a_sequence(prepared):
    samples = open_dataset(prepared).split("val")
    assert [sample.image.stem for sample in samples[1:]] == ["000000000285"]
    assert samples[-1] == samples[1]
    with pytest.raises(IndexError):
        samples[2]


def test_prepare_touches_nothing_that_is_prepared(coco_root, prepared):
    with pytest.raises(DataError, match="the folder is prepared already"):
        prepare("coco", prepared, SMALL, source=coco_root, progress=quiet)


def test_a_damaged_array_is_found_by_check_and_by_opening(prepared):
    path = prepared / "val" / "labels.npy"
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)
    report = check_dataset(prepared, progress=quiet)
    assert report.problems == (f"{path}: not as it was written: prepare the data set again",)
    path.write_bytes(data[:-5])
    with pytest.raises(DataError, match=r"labels\.npy: a damaged array"):
        decode_split(open_dataset(prepared), "val", height=8, width=12, resize="stretch")
    path.unlink()
    with pytest.raises(DataError, match=r"labels\.npy: no such file: prepare the data set again"):
        decode_split(open_dataset(prepared), "val", height=8, width=12, resize="stretch")


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('"schema": 1', '"schema": 2', "schema 2, this version reads schema 1: prepare"),
        ('"grid"', '"size"', r"manifest\.json: .* not valid .*prepare the data set again"),
        ('"reader": "coco"', '"reader": "x"', "prepared by the unknown reader 'x'"),
        ('"images": 2', '"images": 3', "its samples are not as many as its images"),
    ],
)
def test_a_foreign_manifest_is_refused(prepared, old, new, message):
    path = prepared / "manifest.json"
    assert old in path.read_text()
    path.write_text(path.read_text().replace(old, new))
    with pytest.raises(DataError, match=message):
        open_dataset(prepared)


def test_a_full_disk_is_told_before_and_while_writing(coco_root, tmp_path, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr(disk.shutil, "disk_usage", lambda _: shutil._ntuple_diskusage(9, 8, 1))
        with pytest.raises(DataError, match=r"the arrays of coco need .* GiB are free"):
            prepare("coco", tmp_path / "out", SMALL, source=coco_root, progress=quiet)

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(conversion.ArrayFile, "append", full)
    with pytest.raises(DataError, match="No space left on device.*free some space"):
        prepare("coco", tmp_path / "out", SMALL, source=coco_root, progress=quiet)
    assert list((tmp_path / "out").iterdir()) == []


def test_a_semantic_folder_has_no_segments(tmp_path, files):
    for stem in ("a", "b", "c"):
        files.write(tmp_path / f"set/images/{stem}.png", np.zeros((6, 8, 3), np.uint8))
        files.write(tmp_path / f"set/masks/{stem}.png", np.eye(6, 8, dtype=np.uint8))
    manifest = prepare("folder", tmp_path / "out", SMALL, source=tmp_path / "set", progress=quiet)
    assert (manifest.reader, manifest.tasks) == ("folder", ("semantic",))
    assert sorted(path.name for path in (tmp_path / "out/train").iterdir()) == [
        "images.npy", "labels.npy", "samples.json",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"name": "folder"}, UsageError, "nothing is downloaded for 'folder'"),
        ({"name": "nuscenes"}, UsageError, "nothing is downloaded for 'nuscenes'"),
        ({"source": Path("/nowhere")}, DataError, "nowhere: holds no coco data; expected {train"),
        ({"splits": ["test"]}, UsageError, "has no split 'test'; available: train, val"),
    ],
)
def test_what_cannot_be_prepared(coco_root, tmp_path, arguments, error, message):
    given = {"name": "coco", **arguments}
    if "splits" in given:
        given["source"] = coco_root
    with pytest.raises(error, match=message):
        prepare(folder=tmp_path / "out", settings=SMALL, progress=quiet, **given)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"height": 4}, "a grid is 8 to 4096 pixels a side, got 4x128"),
        ({"working_scale": 9}, "the working scale is 1 to 4, got 9"),
        ({"resize": "crop"}, "unknown resize 'crop'"),
    ],
)
def test_wrong_sizes(wrong, message):
    with pytest.raises(UsageError, match=message):
        ConversionSettings(**wrong)


def test_the_published_archives_are_those_of_the_documentation():
    table = {archive.name: archive.remote for name in ARCHIVES for archive in ARCHIVES[name]}
    assert {name for name, remote in table.items() if remote is None} == {
        "gtFine_trainvaltest.zip",
        "leftImg8bit_trainvaltest.zip",
    }
    pinned = {name: remote.sha256[:8] for name, remote in table.items() if remote and remote.sha256}
    assert pinned == {
        "annotations_trainval2017.zip": "113a836d",
        "panoptic_annotations_trainval2017.zip": "c05f76d2",
        "val2017.zip": "4f7e2ccb",
        "train2017.zip": "69a8bb58",
        "annotations_instance.tar": "5eb0db23",
    }


def test_the_commands(coco_root, tmp_path):
    run, out = CliRunner().invoke, str(tmp_path / "out")
    done = run(app, ["prepare", "coco", out, "--source", str(coco_root), "--height", "16"])
    assert done.exit_code == 0, done.output
    assert "coco: 1 train, 2 val images at 16x128, written to" in done.stdout
    assert "licence: annotations CC BY 4.0" in done.stdout
    done = run(app, ["check", out])
    assert done.exit_code == 0, done.output
    assert "coco: 1 train, 2 val images, 133 classes" in done.stdout
    assert "all files can be used" in done.stdout
    done = run(app, ["prepare", "coco", str(tmp_path / "b"), "--annotations", "stuff"])
    assert isinstance(done.exception, UsageError)
    assert not (tmp_path / "b").exists()
