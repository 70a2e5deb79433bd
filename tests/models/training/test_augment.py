import cv2
import numpy as np
import pytest
import torch

from maskattn_models.training.augment import augment, random_affine, sample_images, sample_labels
from maskattn_models.training.batch import Batch
from maskattn_models.training.settings import AugmentSettings

NO_COLOR = {
    "brightness": 0.0,
    "contrast": 0.0,
    "color": 0.0,
    "gamma": 0.0,
    "grey": 0.0,
    "sharpness": 0.0,
    "noise": 0.0,
}
NOTHING = AugmentSettings(
    scale=(1.0, 1.0), aspect=0.0, rotation_deg=0.0, flip=0.0, cutmix=0.0, **NO_COLOR
)


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def blobs(batch=8, height=48, width=72):
    """Smooth label maps of 0 and 1, and images that show the label as red 0 or 200."""
    rng = np.random.default_rng(0)
    labels = np.zeros((batch, height, width), np.uint8)
    for one in labels:
        for _ in range(3):
            centre = (int(rng.integers(width)), int(rng.integers(height)))
            cv2.circle(one, centre, int(rng.integers(8, 16)), 1, -1)
    images = np.zeros((batch, height, width, 3), np.uint8)
    images[..., 0] = 200 * labels
    return torch.from_numpy(images), torch.from_numpy(labels)


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"rotation_deg": 40.0},
        {"flip": 1.0},
        {"aspect": 0.5},
        {"scale": (1.0, 1.6)},
        {"scale": (0.3, 0.5)},
    ],
)
def test_labels_stay_with_the_image(changes):
    images, labels = blobs()
    settings = AugmentSettings(**{**NO_COLOR, **changes})
    pixels, target, _ = augment(Batch(images, labels), settings, generator(), height=32, width=48)
    shown = (pixels[..., 0] > 100).byte()
    inside = target != 255
    assert inside.float().mean() > 0.3
    assert (target[inside] == 1).float().mean() > 0.1
    # Only cells on an edge may differ: the image is averaged, the label is not.
    assert (shown[inside] == target[inside]).float().mean() > 0.96


def test_nothing_changes_where_all_is_off():
    images, labels = blobs(height=32, width=48)
    pixels, target, _ = augment(Batch(images, labels), NOTHING, generator(), height=32, width=48)
    assert (target == labels).all()
    inner = labels[:, 1:-1, 1:-1]
    flat = torch.nn.functional.max_pool2d(labels[:, None].float(), 3, 1)[:, 0] == (
        -torch.nn.functional.max_pool2d(-labels[:, None].float(), 3, 1)[:, 0]
    )
    shown = pixels[:, 1:-1, 1:-1, 0][flat]
    torch.testing.assert_close(shown, 200.0 * inner[flat], rtol=0, atol=0.01)


def test_shapes_types_and_range():
    images, labels = blobs(batch=3)
    settings = AugmentSettings(brightness=1.0, contrast=1.0, color=1.0, noise=1.0)
    pixels, target, _ = augment(Batch(images, labels), settings, generator(), height=32, width=48)
    assert pixels.shape == (3, 32, 48, 3)
    assert pixels.dtype == torch.float32
    assert pixels.min() >= 0
    assert pixels.max() <= 255
    assert target.shape == (3, 32, 48)
    assert target.dtype == torch.uint8


def test_one_generator_decides_everything():
    images, labels = blobs(batch=2)
    settings = AugmentSettings()
    first, second, other = (
        augment(Batch(images, labels), settings, generator(seed), height=32, width=48)[0]
        for seed in (1, 1, 2)
    )
    assert torch.equal(first, second)
    assert not torch.equal(first, other)
    assert not torch.equal(first[0], first[1])


def test_outside_is_grey_and_ignored():
    images, labels = blobs(batch=1)
    settings = AugmentSettings(scale=(2.0, 2.0), **NO_COLOR)
    pixels, target, _ = augment(Batch(images, labels), settings, generator(), height=32, width=48)
    outside = target == 255
    assert 0.5 < outside.float().mean() < 0.9
    assert (pixels[outside] == 114).float().mean() > 0.9


def test_shrinking_averages_like_the_frames_at_work():
    rng = np.random.default_rng(0)
    image = rng.integers(0, 256, (1, 96, 96, 3), np.uint8)
    place = torch.tensor([[[1.0, 0, 0], [0, 1.0, 0]]])
    ours = sample_images(torch.from_numpy(image), place, height=64, width=64)[0]
    area = cv2.resize(image[0], (64, 64), interpolation=cv2.INTER_AREA)
    bilinear = cv2.resize(image[0], (64, 64), interpolation=cv2.INTER_LINEAR)
    sharpness = ours.numpy().std()
    assert abs(sharpness - area.std()) < 0.15 * area.std()
    assert abs(sharpness - area.std()) < abs(bilinear.std() - area.std())


def test_rotation_keeps_squares_square_in_an_oblong_image():
    """A quarter turn about the middle: what lies right of it comes to lie above or below."""
    settings = AugmentSettings(
        scale=(1.0, 1.0), aspect=0.0, rotation_deg=180.0, flip=0.0, **NO_COLOR
    )
    place = random_affine(256, settings, generator(), aspect_ratio=2.0)
    pixels = place[:, :, :2] * torch.tensor([[[2.0], [1.0]]]) / torch.tensor([[[2.0, 1.0]]])
    identity = (pixels @ pixels.transpose(1, 2)) - torch.eye(2)
    assert identity.abs().max() < 1e-5


def test_a_flip_mirrors_left_and_right():
    labels = torch.arange(16, dtype=torch.uint8).view(1, 1, 16).expand(1, 16, 16).contiguous()
    settings = AugmentSettings(scale=(1.0, 1.0), aspect=0.0, rotation_deg=0.0, flip=1.0)
    place = random_affine(1, settings, generator(), aspect_ratio=1.0)
    assert torch.equal(sample_labels(labels, place, height=16, width=16), labels.flip(2))
