from __future__ import annotations

import os
from collections import Counter
from pathlib import Path

import cv2
import numpy as np
import pytest

from maskattn_edge.contract.errors import ContractError, DataError, UsageError
from maskattn_models.data import DataSet, content_hash, label_table, load_labels, open_dataset
from maskattn_models.data.camvid import CLASSES


def write(path: Path, picture) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    assert cv2.imwrite(str(path), picture)


def add(root: Path, stem: str, *, split: str = "", value: int = 1, suffix: str = ".jpg") -> None:
    mask = np.zeros((4, 6), np.uint8)
    mask[1] = value
    write(root / "images" / split / f"{stem}{suffix}", np.zeros((4, 6, 3), np.uint8))
    write(root / "masks" / split / f"{stem}.png", mask)


def stems(dataset: DataSet, split: str) -> list[str]:
    return [sample.image.stem for sample in dataset.splits[split]]


def test_sub_folders_are_the_splits(tmp_path):
    for split, count in (("train", 3), ("val", 2), ("test", 1)):
        for index in range(count):
            add(tmp_path, f"{split}{index}", split=split)
    dataset = open_dataset(tmp_path)
    assert {name: len(samples) for name, samples in dataset.splits.items()} == {
        "train": 3,
        "val": 2,
        "test": 1,
    }
    assert stems(dataset, "train") == ["train0", "train1", "train2"]
    assert dataset.name == tmp_path.name


def test_every_image_format_is_found_and_hidden_files_are_not(tmp_path):
    for suffix in (".jpg", ".jpeg", ".PNG", ".bmp", ".webp"):
        add(tmp_path, f"x{suffix[1:]}", split="train", suffix=suffix)
    (tmp_path / "images/train/._xjpg.jpg").write_bytes(b"")
    (tmp_path / "images/train/notes.txt").write_text("", encoding="utf-8")
    assert len(open_dataset(tmp_path).splits["train"]) == 5


def test_classes_come_from_the_list(tmp_path):
    add(tmp_path, "a", split="train")
    (tmp_path / "classes.json").write_text('["floor", "wall", "door"]', encoding="utf-8")
    assert [info.name for info in open_dataset(tmp_path).classes] == ["floor", "wall", "door"]


def test_classes_without_a_list_are_numbered_to_the_largest_value(tmp_path):
    for stem, value in (("a", 1), ("b", 4), ("c", 255)):
        add(tmp_path, stem, split="train", value=value)
    dataset = open_dataset(tmp_path)
    assert [info.name for info in dataset.classes] == ["0", "1", "2", "3", "4"]
    assert load_labels(dataset.splits["train"][2], dataset)[1, 0] == 255


def test_masks_of_0_and_255_are_explained(tmp_path):
    add(tmp_path, "a", split="train", value=255)
    with pytest.raises(DataError, match="no class but 0 .* 0 and 1, not 0 and 255"):
        open_dataset(tmp_path)


@pytest.mark.parametrize("count", [3, 4, 7, 40])
def test_split_by_hash_is_complete_and_has_no_empty_part(tmp_path, count):
    for index in range(count):
        add(tmp_path, f"frame{index:03}")
    dataset = open_dataset(tmp_path)
    parts = [stems(dataset, name) for name in ("train", "val", "test")]
    assert all(parts)
    assert Counter(sum(parts, [])) == Counter(f"frame{index:03}" for index in range(count))
    again = open_dataset(tmp_path)
    assert parts == [stems(again, name) for name in ("train", "val", "test")]


def test_split_by_hash_keeps_its_place_when_images_are_added(tmp_path):
    for index in range(60):
        add(tmp_path, f"frame{index:03}")
    before = open_dataset(tmp_path)
    for index in range(60, 80):
        add(tmp_path, f"frame{index:03}")
    after = open_dataset(tmp_path)
    for name in ("train", "val", "test"):
        assert set(stems(before, name)) <= set(stems(after, name))
    assert 52 <= len(after.splits["train"]) <= 74


def test_two_images_are_too_few_to_split(tmp_path):
    add(tmp_path, "a")
    add(tmp_path, "b")
    with pytest.raises(DataError, match=r"2 labelled image\(s\), 3 or more are needed"):
        open_dataset(tmp_path)


def one_mask_missing(root):
    for stem in ("a", "b", "c"):
        add(root, stem)
    (root / "masks/b.png").unlink()
    (root / "masks/c.png").unlink()


def mask_is_jpeg(root):
    one_mask_missing(root)
    write(root / "masks/b.jpg", np.zeros((4, 6), np.uint8))


def one_image_missing(root):
    for stem in ("a", "b", "c"):
        add(root, stem)
    (root / "images/b.jpg").unlink()


def same_stem(root):
    add(root, "a")
    add(root, "a", suffix=".png")


def loose_image(root):
    add(root, "a", split="train")
    add(root, "b")


def half_a_split(root):
    add(root, "a", split="train")
    write(root / "images/val/b.jpg", np.zeros((4, 6, 3), np.uint8))


def only_images(root):
    write(root / "images/b.jpg", np.zeros((4, 6, 3), np.uint8))


def only_masks(root):
    write(root / "masks/b.png", np.zeros((4, 6), np.uint8))


def empty_folders(root):
    (root / "images").mkdir()
    (root / "masks").mkdir()


def other_layout(root):
    (root / "pictures").mkdir()


def damaged_image(root):
    add(root, "a", split="train")
    (root / "images/train/a.jpg").write_bytes(b"\xff\xd8 cut")


@pytest.mark.parametrize(
    ("prepare", "message"),
    [
        (lambda root: None, "the folder is empty; expected images/"),
        (other_layout, "no known layout, it has pictures; expected"),
        (only_images, "has no folder masks/; expected"),
        (only_masks, "has no folder images/; expected"),
        (empty_folders, "images: no images .*; expected"),
        (one_mask_missing, r"b\.jpg: has no mask .*b\.png; 2 of 3 images"),
        (mask_is_jpeg, r"has no mask .*b\.png \(b\.jpg is no PNG file\)"),
        (one_image_missing, r"b\.png: has no image in .*images; 1 of 3 masks"),
        (same_stem, r"a\.png: a\.jpg beside it has the same stem"),
        (loose_image, r"b\.jpg: lies beside folders of splits"),
        (half_a_split, r"its counterpart .*masks.val is missing"),
        (damaged_image, r"a\.jpg: the image is cut short"),
    ],
)
def test_what_is_wrong_with_a_folder_is_one_line(tmp_path, prepare, message):
    prepare(tmp_path)
    with pytest.raises(DataError, match=message) as caught:
        open_dataset(tmp_path)
    assert "\n" not in str(caught.value)


def test_missing_folder_and_file_in_its_place(tmp_path):
    with pytest.raises(DataError, match="nowhere: no such folder"):
        open_dataset(tmp_path / "nowhere")
    (tmp_path / "file").write_text("", encoding="utf-8")
    with pytest.raises(DataError, match="file: cannot be read as a folder: Not a directory"):
        open_dataset(tmp_path / "file")


def test_unknown_split_lists_the_available(tmp_path):
    add(tmp_path, "a", split="train")
    with pytest.raises(UsageError, match=r"no split 'test'; available: train"):
        open_dataset(tmp_path).split("test")


def camvid(root: Path, names=("0016E5_2", "0016E5_1")) -> Path:
    mask = np.array([[0, 5, 10, 11]] * 3, np.uint8)
    for name in names:
        write(root / f"images/train/{name}.jpg", np.zeros((3, 4, 3), np.uint8))
        write(root / f"labels/train/{name}.png", mask)
    (root / "train.txt").write_text("\n".join(names), encoding="utf-8")
    return root


def test_camvid_is_recognised_and_keeps_the_order_of_its_list(tmp_path):
    dataset = open_dataset(camvid(tmp_path))
    assert dataset.name == "camvid"
    assert stems(dataset, "train") == ["0016E5_2", "0016E5_1"]
    labels = load_labels(dataset.splits["train"][0], dataset)
    assert labels[0].tolist() == [0, 5, 10, 255]
    assert [info.name for info in CLASSES if info.thing] == ["car", "pedestrian", "bicyclist"]


def test_camvid_with_missing_files_is_refused(tmp_path):
    (camvid(tmp_path) / "labels/train/0016E5_1.png").unlink()
    with pytest.raises(DataError, match=r"0016E5_1\.png: no such mask, but train.txt .* 1 of 2"):
        open_dataset(tmp_path)


def test_other_data_in_the_same_folders_is_not_taken_for_camvid(tmp_path):
    camvid(tmp_path, names=("room1",))
    with pytest.raises(DataError, match="has no folder masks/"):
        open_dataset(tmp_path)


def test_content_hash_follows_names_and_contents_but_not_the_place(tmp_path):
    for root in ("one", "two"):
        for stem in ("a", "b"):
            add(tmp_path / root, stem, split="train")
    one, two = (open_dataset(tmp_path / root) for root in ("one", "two"))
    assert content_hash(one, "train") == content_hash(two, "train")
    add(tmp_path / "two", "a", split="train", value=0)
    assert content_hash(one, "train") != content_hash(two, "train")
    (tmp_path / "one/images/train/a.jpg").unlink()
    with pytest.raises(DataError, match=r"a\.jpg: cannot be read: No such file"):
        content_hash(one, "train")


@pytest.mark.parametrize(
    ("table", "message"),
    [
        (np.zeros(255, np.uint8), r"\(256,\) uint8, got shape \(255,\)"),
        (np.zeros(256, np.int64), "of int64"),
        (label_table(12), "maps 11 to class 11, but there are 11 classes"),
    ],
)
def test_wrong_label_table_is_refused(table, message):
    with pytest.raises(ContractError, match=message):
        DataSet(name="x", root=Path(), classes=CLASSES, splits={}, label_table=table)


@pytest.mark.real_data
def test_camvid_as_published():
    folder = os.environ.get("MASKATTN_DATA")
    if not folder:
        pytest.skip("MASKATTN_DATA does not name a folder of real data sets")
    dataset = open_dataset(Path(folder) / "camvid")
    assert [len(dataset.split(name)) for name in ("train", "val", "test")] == [367, 101, 233]
    found: set[int] = set()
    for sample in dataset.split("val"):
        labels = load_labels(sample, dataset)
        assert labels.shape == (360, 480)
        found |= set(np.unique(labels).tolist())
    assert found == {*range(11), 255}
