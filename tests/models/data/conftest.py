"""Small data sets in the official formats."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest


def write(path: Path, picture: np.ndarray) -> Path:
    """Write a picture; colours are given as RGB."""
    path.parent.mkdir(parents=True, exist_ok=True)
    assert cv2.imwrite(str(path), picture[..., ::-1] if picture.ndim == 3 else picture)
    return path


def write_json(path: Path, content: object) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content), encoding="utf-8")
    return path


def photo(height: int = 8, width: int = 12) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (height, width, 3), np.uint8)


def colors_of(ids: np.ndarray) -> np.ndarray:
    """R + 256 G + 65536 B."""
    return np.stack([ids % 256, ids // 256 % 256, ids // 65536], axis=2).astype(np.uint8)


@pytest.fixture
def files():
    """The writers above, for tests that need another file."""
    return type("Files", (), {"write": write, "json": write_json, "colors": colors_of})


COCO_IDS = np.zeros((8, 12), np.int64)
COCO_IDS[:4] = 3_226_956  # sky, a 24-bit id
COCO_IDS[4:, :6] = 70_000  # a person
COCO_IDS[4:, 6:9] = 300  # a crowd of persons
# the rest is void


@pytest.fixture
def coco_root(tmp_path):
    """COCO 2017 with one training and two validation pictures."""
    root = tmp_path / "coco"
    for split, numbers in (("train", (9,)), ("val", (139, 285))):
        images, entries, objects = [], [], []
        for number in numbers:
            stem = f"{number:012d}"
            write(root / f"{split}2017" / f"{stem}.jpg", photo())
            write(root / f"panoptic_{split}2017" / f"{stem}.png", colors_of(COCO_IDS))
            images.append(
                {"id": number, "file_name": f"{stem}.jpg", "height": 8, "width": 12, "license": 1}
            )
            segments = [
                {"id": 70_000, "category_id": 1, "iscrowd": 0, "area": 24, "bbox": [0, 4, 6, 4]},
                {"id": 300, "category_id": 1, "iscrowd": 1, "area": 12, "bbox": [6, 4, 3, 4]},
                {"id": 3_226_956, "category_id": 187, "iscrowd": 0, "area": 48, "bbox": []},
            ]
            entries.append(
                {"image_id": number, "file_name": f"{stem}.png", "segments_info": segments}
            )
            square = [[0.0, 4.0, 6.0, 4.0, 6.0, 8.0, 0.0, 8.0]]
            crowd = {"size": [8, 12], "counts": [4 * 8 + 4, 4, 4, 4, 4, 4, 40]}
            objects += [
                {"id": 1, "image_id": number, "category_id": 1, "iscrowd": 0, "area": 24.0,
                 "bbox": [0, 4, 6, 4], "segmentation": square},
                {"id": 2, "image_id": number, "category_id": 90, "iscrowd": 0, "area": 4.0,
                 "bbox": [2, 4, 2, 2], "segmentation": [[2.0, 4.0, 4.0, 4.0, 4.0, 6.0, 2.0, 6.0]]},
                {"id": 3, "image_id": number, "category_id": 1, "iscrowd": 1, "area": 12,
                 "bbox": [4, 4, 3, 4], "segmentation": crowd},
            ]  # fmt: skip
        things = [{"id": 1, "name": "person", "supercategory": "person"}]
        write_json(
            root / "annotations" / f"panoptic_{split}2017.json",
            {"info": {}, "licenses": [], "images": images, "annotations": entries,
             "categories": [{"id": 1, "name": "person", "isthing": 1, "color": [220, 20, 60]}]},
        )  # fmt: skip
        write_json(
            root / "annotations" / f"instances_{split}2017.json",
            {"info": {}, "images": images, "annotations": objects, "categories": things},
        )
    return root


@pytest.fixture
def ade20k_root(tmp_path):
    """ADE20K with two training and one validation picture."""
    root = tmp_path / "ade" / "ADEChallengeData2016"
    labels = np.full((8, 12), 1, np.uint8)  # wall
    labels[4:] = 8  # bed
    labels[:, 10:] = 0  # other
    instances = np.zeros((8, 12, 3), np.uint8)
    instances[4:, :5] = (1, 7, 0)  # a bed
    instances[3:6, 3:5] = (100, 8, 0)  # a flag, over wall and bed
    for split, folder, count in (("train", "training", 2), ("val", "validation", 1)):
        for number in range(1, count + 1):
            stem = f"ADE_{split}_{number:08d}"
            write(root / "images" / folder / f"{stem}.jpg", photo())
            write(root / "annotations" / folder / f"{stem}.png", labels)
            write(root / "annotations_instance" / folder / f"{stem}.png", instances)
    return root


@pytest.fixture
def cityscapes_root(tmp_path):
    """Cityscapes with one picture in each of train and val, and one of test without labels."""
    root = tmp_path / "cityscapes"
    ids = np.full((8, 16), 7, np.uint16)  # road
    ids[:2] = 23  # sky
    ids[2:4, :4] = 26_000  # two cars
    ids[2:4, 4:8] = 26_001
    ids[4:6, :3] = 24  # a group of persons
    ids[4:6, 3:6] = 29_000  # a caravan, which is not scored
    ids[7] = 1  # ego vehicle
    labels = np.where(ids < 1000, ids, ids // 1000).astype(np.uint8)
    labels[6, 0] = 255  # license plate, -1
    for split, city in (("train", "aachen"), ("val", "frankfurt"), ("test", "berlin")):
        stem = f"{city}_000000_000019"
        write(root / "leftImg8bit" / split / city / f"{stem}_leftImg8bit.png", photo(8, 16))
        truth = root / "gtFine" / split / city
        write(truth / f"{stem}_gtFine_labelIds.png", labels)
        write(truth / f"{stem}_gtFine_instanceIds.png", ids)
        write(truth / f"{stem}_gtFine_color.png", photo(8, 16))
    return root
