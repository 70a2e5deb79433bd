"""Tiny sources: photographs with instances, and scenes with things and stuff."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest

NAMES = ("dog", "cup")


def write(path: Path, picture: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    assert cv2.imwrite(str(path), picture)


def write_photograph(root: Path, stem: str, rng: np.random.Generator) -> None:
    """A disc that is a dog, a box that is a cup, and one at the edge that is cut off."""
    image = rng.integers(0, 80, (100, 160, 3), np.uint8)
    labels, numbers = np.zeros((100, 160), np.uint8), np.zeros((100, 160), np.uint8)
    cv2.circle(numbers, (40, 50), 20, 1, -1)
    cv2.rectangle(numbers, (90, 30), (120, 70), 2, -1)
    cv2.rectangle(numbers, (140, 30), (159, 70), 3, -1)
    labels[numbers == 1], labels[numbers >= 2] = 1, 2
    image[numbers > 0] = rng.integers(120, 256, 3, np.uint8)
    write(root / "images" / f"{stem}.jpg", image)
    write(root / "class" / f"{stem}.png", labels)
    write(root / "instance" / f"{stem}.png", numbers)


@pytest.fixture(scope="session")
def photographs(tmp_path_factory):
    """Train and val of photographs, by class and instance masks."""
    root = tmp_path_factory.mktemp("photographs") / "set"
    rng = np.random.default_rng(0)
    splits = {"train": [f"a{i}" for i in range(6)], "val": [f"b{i}" for i in range(4)]}
    for name, stems in splits.items():
        for stem in stems:
            write_photograph(root, stem, rng)
        (root / f"{name}.txt").write_text("\n".join(stems) + "\n")
    categories = [{"class": k, "name": name} for k, name in enumerate(NAMES, start=1)]
    (root / "index.json").write_text(json.dumps({"categories": categories}))
    return root


@pytest.fixture(scope="session")
def scenes(tmp_path_factory):
    """A plain folder: sky over road, a car, and a strip that is void."""
    root = tmp_path_factory.mktemp("scenes") / "set"
    rng = np.random.default_rng(1)
    labels = np.full((150, 200), 2, np.uint8)
    labels[:70], labels[80:120, 20:60], labels[:, :3] = 0, 1, 255
    for split, count in (("train", 3), ("val", 2), ("test", 2)):
        for index in range(count):
            write(root / "masks" / split / f"{split}{index}.png", labels)
            picture = rng.integers(60, 200, (150, 200, 3), np.uint8)
            write(root / "images" / split / f"{split}{index}.png", picture)
    classes = [{"name": "sky"}, {"name": "car", "thing": True}, {"name": "road"}]
    (root / "classes.json").write_text(json.dumps(classes))
    return root
