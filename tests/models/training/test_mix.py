import pytest
import torch

from maskattn_models.training.augment import augment
from maskattn_models.training.batch import Batch
from maskattn_models.training.mix import cutmix
from maskattn_models.training.settings import AugmentSettings


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def numbered(batch=64, height=16, width=24):
    """Images and labels whose every pixel holds the image's number."""
    labels = torch.arange(batch).view(batch, 1, 1).expand(batch, height, width).byte()
    return labels[..., None].expand(batch, height, width, 3).float(), labels


def test_labels_stay_with_their_pixels_and_come_from_the_next_image():
    pixels, labels = numbered()
    mixed, target, _ = cutmix(Batch(pixels, labels), 1.0, generator())
    assert (mixed == target[..., None]).all()
    other = labels.roll(1, 0)
    assert ((target == labels) | (target == other)).all()
    assert mixed.dtype == torch.float32
    assert target.dtype == torch.uint8


def test_what_is_pasted_is_one_rectangle_of_any_size():
    pixels, labels = numbered(batch=256)
    _, target, _ = cutmix(Batch(pixels, labels), 1.0, generator())
    pasted = target != labels
    rows, columns = pasted.any(2), pasted.any(1)
    assert (pasted == (rows[:, :, None] & columns[:, None])).all()
    for line in (rows, columns):
        starts = (line.int().diff(dim=1, prepend=torch.zeros(256, 1).int()) == 1).sum(1)
        assert starts.max() == 1
    shares = pasted.float().mean((1, 2))
    assert shares.min() < 0.05
    assert shares.max() > 0.6
    assert 0.3 < shares.mean() < 0.5  # half of the image less what reaches over the edge


@pytest.mark.parametrize("share", [0.0, 0.3, 1.0])
def test_so_many_images_are_mixed(share):
    pixels, labels = numbered(batch=250)
    _, target, _ = cutmix(Batch(pixels, labels), share, generator())
    changed = (target != labels).flatten(1).any(1).float().mean()
    assert share - 0.1 <= changed <= share + 0.1


def test_one_generator_decides_everything():
    pixels, labels = numbered()
    first, again, other = (
        cutmix(Batch(pixels, labels), 0.5, generator(seed))[1] for seed in (1, 1, 2)
    )
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


def test_augmentation_mixes_only_where_it_is_asked_to():
    images = torch.randint(0, 256, (8, 32, 32, 3), dtype=torch.uint8)
    labels = numbered(batch=8, height=32, width=32)[1]

    def own_labels_only(cutmix):
        settings = AugmentSettings(scale=(0.5, 0.8), cutmix=cutmix)
        _, target, _ = augment(Batch(images, labels), settings, generator(), height=16, width=16)
        return bool((target == labels[:, :16, :16]).all())

    assert own_labels_only(0.0)
    assert not own_labels_only(1.0)
