import cv2
import numpy as np
import pytest

from maskattn_models.data import open_dataset
from maskattn_models.network import NetworkConfig
from maskattn_models.study import StudySettings
from maskattn_models.training import TrainingSettings


def write_squares(root):
    """Bright squares on dark ground: 8 images to train on, 2 for each of val and test."""
    rng = np.random.default_rng(0)
    for split, count in (("train", 8), ("val", 2), ("test", 2)):
        for index in range(count):
            image = rng.integers(0, 80, (32, 32, 3), np.uint8)
            mask = np.zeros((32, 32), np.uint8)
            top, left = rng.integers(0, 16, 2)
            mask[top : top + 12, left : left + 12] = 1
            image[mask == 1] += 150
            for kind, picture in (("images", image), ("masks", mask)):
                (root / kind / split).mkdir(parents=True, exist_ok=True)
                cv2.imwrite(str(root / kind / split / f"{index}.png"), picture)
    (root / "classes.json").write_text('["ground", "square"]')
    return root


@pytest.fixture(scope="session")
def squares(tmp_path_factory):
    return open_dataset(write_squares(tmp_path_factory.mktemp("study") / "squares"))


@pytest.fixture(scope="session")
def quick():
    return StudySettings(
        network=NetworkConfig(classes=2, size="n", height=32, width=32),
        training=TrainingSettings(epochs=1, batch=8, device="cpu", samples=False),
        seeds=1,
    )
