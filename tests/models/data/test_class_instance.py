"""The layout of class/ and instance/ masks with an index.json."""

import json

import numpy as np
import pytest

from maskattn_edge.contract.errors import DataError
from maskattn_models.data import load_labels, load_segments, open_dataset


@pytest.fixture
def root(tmp_path, files):
    """Two pictures: a cup (2) in front of a dog (1), on what has no label."""
    labels, numbers = np.zeros((8, 12), np.uint8), np.zeros((8, 12), np.uint8)
    labels[2:6, 2:8], numbers[2:6, 2:8] = 1, 4
    labels[4:6, 4:6], numbers[4:6, 4:6] = 2, 9
    for split, stem in (("train", "000000000009"), ("val", "000000000034")):
        files.write(tmp_path / "images" / f"{stem}.jpg", np.zeros((8, 12, 3), np.uint8))
        files.write(tmp_path / "class" / f"{stem}.png", labels)
        files.write(tmp_path / "instance" / f"{stem}.png", numbers)
        (tmp_path / f"{split}.txt").write_text(f"{stem}\n")
    index = {"categories": [{"class": 1, "name": "dog"}, {"class": 2, "name": "cup"}], "images": {}}
    files.json(tmp_path / "index.json", index)
    return tmp_path


def test_objects_and_their_classes(root):
    dataset = open_dataset(root)
    assert dataset.tasks == {"instance"}
    assert [(info.name, info.thing) for info in dataset.classes] == [("dog", True), ("cup", True)]
    assert {name: len(part) for name, part in dataset.splits.items()} == {"train": 1, "val": 1}
    sample = dataset.split("val")[0]
    segments = load_segments(sample, dataset)[1]
    assert segments.label.tolist() == [0, 1]
    assert segments.areas().tolist() == [20, 4]
    assert not segments.crowd.any()
    assert load_labels(sample, dataset)[[0, 2, 4], [0, 2, 4]].tolist() == [255, 0, 1]


def test_a_listed_file_is_missing(root):
    (root / "instance" / "000000000034.png").unlink()
    with pytest.raises(DataError, match="no such instance mask, but val.txt names it; 1 of 1"):
        open_dataset(root)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{", "not a list of categories"),
        ('{"categories": [{"class": 2, "name": "dog"}]}', r"its categories are numbered \[2\]"),
        ('{"categories": []}', "its categories are numbered"),
    ],
)
def test_a_wrong_index(root, content, message):
    (root / "index.json").write_text(content)
    with pytest.raises(DataError, match=message):
        open_dataset(root)


def test_a_class_that_the_index_lacks(root):
    index = json.loads((root / "index.json").read_text())
    (root / "index.json").write_text(json.dumps({"categories": index["categories"][:1]}))
    with pytest.raises(DataError, match="the mask holds the value 2, but .* has 1 class"):
        open_dataset(root)


def test_no_list_of_stems(root):
    for name in ("train", "val"):
        (root / f"{name}.txt").unlink()
    with pytest.raises(DataError, match=r"no train or val or test\.txt names an image"):
        open_dataset(root)
