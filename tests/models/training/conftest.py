import cv2
import numpy as np
import pytest

from maskattn_models.data import open_dataset
from maskattn_models.network import NetworkConfig


def draw(rng, side=48):
    """A bright square on a dark ground, with its mask: easy to learn."""
    image = rng.integers(0, 80, (side, side, 3), np.uint8)
    mask = np.zeros((side, side), np.uint8)
    top, left = rng.integers(0, side // 2, 2)
    size = rng.integers(side // 4, side // 2)
    area = slice(top, top + size), slice(left, left + size)
    image[area] = rng.integers(170, 256, image[area].shape, np.uint8)
    mask[area] = 1
    return image, mask


def write_dataset(root, *, train=8, val=4, seed=0):
    rng = np.random.default_rng(seed)
    for split, count in (("train", train), ("val", val)):
        for kind in ("images", "masks"):
            (root / kind / split).mkdir(parents=True)
        for index in range(count):
            image, mask = draw(rng)
            cv2.imwrite(str(root / "images" / split / f"{index}.png"), image)
            cv2.imwrite(str(root / "masks" / split / f"{index}.png"), mask)
    (root / "classes.json").write_text('["ground", "square"]')
    return root


@pytest.fixture(scope="session")
def squares(tmp_path_factory):
    return open_dataset(write_dataset(tmp_path_factory.mktemp("squares") / "squares"))


@pytest.fixture
def tiny():
    return NetworkConfig(classes=2, size="n", height=32, width=32)
