from types import SimpleNamespace

import cv2
import numpy as np
import pytest
import torch

from maskattn_models.data import GridStore, decode_split, open_dataset
from maskattn_models.network import NetworkConfig
from maskattn_models.training.batches import open_batches
from maskattn_models.training.order import Order
from maskattn_models.training.ranks import Ranks
from maskattn_models.training.settings import TrainingSettings
from maskattn_models.training.state import new_state
from maskattn_models.training.step import TrainingStep


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


def draw_objects(rng, side=48):
    """Two bright squares of different colour on a dark ground; they never overlap."""
    image = rng.integers(0, 60, (side, side, 3), np.uint8)
    instances = np.zeros((side, side), np.uint8)
    for number, left in enumerate((0, 24), start=1):
        top = int(rng.integers(0, 24))
        instances[top : top + 22, left + 1 : left + 23] = number
    image[instances == 1] += 150
    image[instances == 2, 0] += 190
    return image, (instances > 0).astype(np.uint8), instances


def write_objects_dataset(root, *, train_images=8, val_images=4):
    rng = np.random.default_rng(0)
    for split, count in (("train", train_images), ("val", val_images)):
        for kind in ("images", "masks", "instances"):
            (root / kind / split).mkdir(parents=True)
        for index in range(count):
            for kind, picture in zip(
                ("images", "masks", "instances"), draw_objects(rng), strict=True
            ):
                cv2.imwrite(str(root / kind / split / f"{index}.png"), picture)
    (root / "classes.json").write_text('["ground", {"name": "square", "thing": true}]')
    return root


@pytest.fixture(scope="session")
def objects(tmp_path_factory):
    return open_dataset(write_objects_dataset(tmp_path_factory.mktemp("objects") / "objects"))


@pytest.fixture(scope="session")
def write_objects():
    return write_objects_dataset


@pytest.fixture
def tiny():
    return NetworkConfig(classes=2, size="n", height=32, width=32, attention="masked")


STEP_CONFIG = NetworkConfig(classes=3, size="n", height=32, width=32)
OBJECTS_CONFIG = NetworkConfig(
    classes=2, size="n", height=32, width=32, task="panoptic", things=(1,)
)
STEP_SETTINGS = TrainingSettings(epochs=2, batch=4, seed=1)


def random_store(images=12, side=48):
    rng = np.random.default_rng(0)
    return GridStore(
        images=rng.integers(0, 256, (images, side, side, 3), np.uint8),
        labels=rng.integers(0, 3, (images, side, side), np.uint8),
    )


def make_step(device="cpu", *, settings=STEP_SETTINGS, config=STEP_CONFIG, store=None):
    """A step, its batches and its order."""
    device, store = torch.device(device), store or random_store()
    state = new_state(config, settings, device)
    order = Order(images=len(store), batch=settings.batch, seed=settings.seed, ranks=Ranks())
    batches = open_batches(
        store,
        steps=order.steps,
        size=order.size,
        device=device,
        resident_share=settings.resident_share,
        things=config.things,
    )
    weights = torch.tensor([0.5, 1.0, 2.0], device=device)[: config.classes]
    step = TrainingStep(
        state, batches, config, settings, ranks=Ranks(), steps=order.steps, class_weights=weights
    )
    step.restart()
    batches.start(order.epoch(1))
    return step, batches, order


def everything(step):
    """All that a step changes, by name, copied to the host."""
    state = step.state
    found = {f"trained {name}": value for name, value in state.trained.state_dict().items()}
    found |= {f"mean {name}": v for name, v in state.average.network.state_dict().items()}
    for index, values in enumerate(state.optimizer.state.values()):
        found |= {f"optimizer {index} {name}": value for name, value in values.items()}
    found |= {"step": state.step, "lr": state.lr, "losses": step.losses, "at": step.position}
    found |= {name: value for name, value in state.random().items() if value is not None}
    return {name: value.detach().cpu().clone() for name, value in found.items()}


def launch_steps(step, batches, steps, launch=None):
    """Launch steps of an epoch as `Epoch` does."""
    for index in range(steps):
        batches.take(index)
        (launch or step)()
        batches.fetch(index + 1)


@pytest.fixture(scope="session")
def objects_store(objects):
    """The training split of `objects`, at the working size of `OBJECTS_CONFIG`."""
    return decode_split(objects, "train", height=48, width=48, resize="stretch", segments=True)


@pytest.fixture(scope="session")
def stepping():
    """Training steps on random pictures, and all that they change."""
    return SimpleNamespace(
        objects_config=OBJECTS_CONFIG,
        config=STEP_CONFIG,
        settings=STEP_SETTINGS,
        random_store=random_store,
        make=make_step,
        everything=everything,
        run=launch_steps,
    )
