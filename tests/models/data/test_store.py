from __future__ import annotations

import cv2
import numpy as np
import pytest

from maskattn_edge.contract.errors import ContractError, DataError
from maskattn_models.data import GridStore, decode_split, open_dataset, store
from maskattn_models.data.memory import available_bytes


@pytest.fixture
def dataset(tmp_path):
    for folder in ("images", "masks"):
        (tmp_path / folder / "train").mkdir(parents=True)
    for index in range(5):
        mask = np.zeros((8, 16), np.uint8)
        mask[:, 8:] = 1
        image = np.full((8, 16, 3), (0, 0, 50 * index), np.uint8)
        cv2.imwrite(str(tmp_path / f"images/train/{index}.png"), image)
        cv2.imwrite(str(tmp_path / f"masks/train/{index}.png"), mask)
    return open_dataset(tmp_path)


def test_split_is_decoded_in_order_with_progress(dataset):
    told = []
    grid = decode_split(
        dataset,
        "train",
        height=8,
        width=8,
        resize="letterbox",
        progress=lambda done, total: told.append((done, total)),
    )
    assert len(grid) == 5
    assert grid.images.shape == (5, 8, 8, 3)
    assert grid.images[:, 4, 4].tolist() == [[50 * index, 0, 0] for index in range(5)]
    expected = np.full((8, 8), 255)
    expected[2:6, :4], expected[2:6, 4:] = 0, 1
    for labels in grid.labels:
        np.testing.assert_array_equal(labels, expected)
    assert told == [(done, 5) for done in range(1, 6)]


def test_what_does_not_fit_is_refused_before_it_is_read(dataset, monkeypatch):
    monkeypatch.setattr(store, "available_bytes", lambda: 1000)
    with pytest.raises(DataError, match=r"train needs 0\.00 GiB of memory, 0\.00 GiB are free"):
        decode_split(dataset, "train", height=8, width=8, resize="stretch")


def test_one_bad_file_names_itself(dataset):
    dataset.splits["train"][3].image.write_bytes(b"nothing")
    with pytest.raises(DataError, match=r"3\.png: not a readable image"):
        decode_split(dataset, "train", height=8, width=8, resize="stretch")


def test_available_memory_is_plausible():
    assert 2**20 < available_bytes() < 2**50


@pytest.mark.parametrize(
    ("images", "labels", "message"),
    [
        (np.zeros((1, 2, 2, 3), np.float32), np.zeros((1, 2, 2), np.uint8), "uint8, got float32"),
        (np.zeros((2, 2, 2, 3), np.uint8), np.zeros((1, 2, 2), np.uint8), r"got \(2, 2, 2, 3\)"),
    ],
)
def test_store_checks_its_arrays(images, labels, message):
    with pytest.raises(ContractError, match=message):
        GridStore(images=images, labels=labels)
