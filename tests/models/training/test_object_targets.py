"""What object heads learn: targets by hand, and the losses of right and wrong answers."""

import math

import numpy as np
import pytest
import torch

from maskattn_edge.segments import Segments
from maskattn_models.grouping import OFFSET_CELLS, HeadMaps
from maskattn_models.network import NetworkConfig
from maskattn_models.training.augment import augment
from maskattn_models.training.batch import Batch
from maskattn_models.training.instances import instance_map
from maskattn_models.training.mix import PASTED, cutmix
from maskattn_models.training.object_loss import centre_loss, object_loss, offset_loss
from maskattn_models.training.object_targets import SLOTS, ObjectTask, object_targets
from maskattn_models.training.settings import AugmentSettings

THING = torch.zeros(256, 1)
THING[1] = 1.0


def two_squares():
    """A square of 8x8 pixels at the top left, one of 4x4 on the right, and an ignored corner."""
    labels = torch.zeros(1, 24, 32, dtype=torch.uint8)
    instances = torch.zeros(1, 24, 32, dtype=torch.int16)
    labels[0, 2:10, 4:12], instances[0, 2:10, 4:12] = 1, 1
    labels[0, 12:16, 24:28], instances[0, 12:16, 24:28] = 1, 300
    labels[0, 20:, :4] = 255
    return labels, instances


def test_each_cell_of_an_object_points_to_its_middle():
    targets = object_targets(*two_squares(), THING, scale=2)
    middles = {1: (3.5, 2.5), 300: (12.5, 6.5)}  # x and y in cells
    cells = two_squares()[1][0, ::2, ::2]
    for number, (x, y) in middles.items():
        for row, column in (cells == number).nonzero().tolist():
            offset = OFFSET_CELLS * targets.offset[0, :, row, column]
            assert offset.tolist() == pytest.approx([x - column, y - row], abs=1e-5)
    assert torch.equal(targets.inside[0] > 0, cells > 0)


def test_a_cell_with_any_pixel_of_an_object_points_to_its_middle():
    labels, instances = (part.roll((1, 1), (1, 2)) for part in two_squares())
    targets = object_targets(labels, instances, THING, scale=2)
    inside = targets.inside[0]
    assert int(inside.sum()) == 5 * 5 + 3 * 3  # odd edges: one cell more each way
    assert inside[1:6, 2:7].all()
    for row, column in ((1, 2), (5, 6)):
        offset = OFFSET_CELLS * targets.offset[0, :, row, column]
        assert offset.tolist() == pytest.approx([4 - column, 3 - row], abs=1e-5)


def test_of_two_of_one_class_each_points_to_the_middle_of_what_is_seen():
    """The nearer hides all but the left quarter of the other: columns 0..7 of 0..31."""
    labels, instances = np.full((16, 64), 1, np.uint8), np.zeros((16, 64), np.uint8)
    instances[:, :32], instances[:, 8:40] = 2, 1
    labels[:, 40:] = 0
    targets = object_targets(
        torch.from_numpy(labels)[None], torch.from_numpy(instances)[None], THING, scale=2
    )
    across = torch.arange(32) + targets.offset[0, 0] * OFFSET_CELLS  # where cells point
    assert across[:, :4].unique().tolist() == pytest.approx([1.5])  # cells 0..3
    assert across[:, 4:20].unique().tolist() == pytest.approx([11.5])
    assert (targets.inside[0] == (torch.arange(32) < 20)).all()
    assert (targets.heat[0] > 0.999).sum() == 2


def test_heat_is_one_at_centres_and_a_gaussian_around_them():
    targets = object_targets(*two_squares(), THING, scale=2)
    heat = targets.heat[0]
    assert int((heat == 1).sum()) == 2
    rows, columns = (heat == 1).nonzero().T
    assert heat.max() == 1
    for row, column in zip(rows.tolist(), columns.tolist(), strict=True):
        assert float(heat[row, column + 1]) == pytest.approx(math.exp(-0.5), abs=1e-6)
        assert float(heat[row + 1, column + 1]) == pytest.approx(math.exp(-1), abs=1e-6)
    assert heat[0, 15] == 0
    assert targets.known[0, 10:, :2].sum() == 0
    assert targets.known.sum() == 12 * 16 - 4


def test_things_outside_every_object_say_nothing_about_centres():
    labels, instances = two_squares()
    instances[instances == 300] = 0
    targets = object_targets(labels, instances, THING, scale=2)
    assert (targets.heat == 1).sum() == 1
    assert not targets.known[0, 6:8, 12:14].any()


@pytest.mark.parametrize("kind", ["empty", "void", "one pixel", "255 objects", "all one object"])
def test_targets_and_losses_are_finite(kind):
    labels = torch.ones(2, 32, 32, dtype=torch.uint8)
    instances = torch.zeros(2, 32, 32, dtype=torch.int16)
    if kind == "void":
        labels[:] = 255
    elif kind == "one pixel":
        instances[0, 5, 7] = 3
    elif kind == "255 objects":
        instances[:] = torch.arange(1024).view(32, 32) % 255 + 1
    elif kind == "all one object":
        instances[:] = SLOTS - 1
    targets = object_targets(labels, instances, THING, scale=2)
    assert all(part.isfinite().all() for part in targets)
    maps = HeadMaps(
        torch.zeros(2, 2, 16, 16),
        torch.full((2, 1, 16, 16), 30.0, requires_grad=True),
        torch.full((2, 2, 16, 16), -30.0, requires_grad=True),
    )
    loss = object_loss(maps, targets, centre_weight=1.0, offset_weight=1.0)
    loss.backward()
    assert loss.isfinite()
    assert maps.centre.grad.isfinite().all()
    assert maps.offset.grad.isfinite().all()


def test_right_answers_cost_least():
    targets = object_targets(*two_squares(), THING, scale=2)
    right = torch.where(targets.heat == 1, 8.0, -8.0)
    assert centre_loss(right, targets.heat, targets.known) < 0.01
    assert centre_loss(-right, targets.heat, targets.known) > 5
    near = right.clone()
    row, column = (targets.heat[0] == 1).nonzero()[0].tolist()
    near[0, row, column + 1] = 0.0
    far = right.clone()
    far[0, 0, 15] = 0.0
    near_cost, far_cost = (centre_loss(it, targets.heat, targets.known) for it in (near, far))
    assert near_cost < far_cost
    assert offset_loss(targets.offset, targets.offset, targets.inside) == 0
    wrong = targets.offset + 0.5
    assert offset_loss(wrong, targets.offset, targets.inside) == pytest.approx(1.0, abs=1e-6)


def test_pasted_objects_meet_no_others():
    instances = torch.full((64, 16, 16), 7, dtype=torch.int16)
    batch = Batch(torch.zeros(64, 16, 16, 3), torch.ones(64, 16, 16, dtype=torch.uint8), instances)
    mixed = cutmix(batch, 1.0, torch.Generator().manual_seed(0)).instances
    assert set(mixed.unique().tolist()) == {7, 7 + PASTED}
    assert mixed.dtype == torch.int16
    nothing = cutmix(batch._replace(instances=0 * instances), 1.0, torch.Generator().manual_seed(0))
    assert not nothing.instances.any()


def test_instances_stay_with_their_pixels():
    rng = np.random.default_rng(0)
    labels = torch.zeros(8, 48, 48, dtype=torch.uint8)
    for one in labels:
        top, left = rng.integers(0, 24, 2)
        one[top : top + 20, left : left + 20] = 1
    batch = Batch(torch.zeros(8, 48, 48, 3, dtype=torch.uint8), labels, 200 * labels)
    settings = AugmentSettings(rotation_deg=30.0, scale=(0.5, 1.5), cutmix=0.0)
    changed = augment(batch, settings, torch.Generator().manual_seed(0), height=32, width=32)
    assert torch.equal(changed.instances == 200, changed.labels == 1)
    assert (changed.labels == 255).any()  # outside the picture
    assert set(changed.instances.unique().tolist()) == {0, 200}
    targets = ObjectTask(
        NetworkConfig(classes=2, size="n", height=32, width=32, task="instance", things=(1,)),
        torch.device("cpu"),
    )(changed)
    assert targets.heat.shape == (8, 16, 16)


def test_instances_of_a_picture_are_its_things():
    segments = Segments(
        map=np.array([[0, 1, 2], [3, 4, 4]], np.uint16),
        label=np.array([1, 0, 1, 1], np.uint8),
        crowd=np.array([False, False, True, False]),
    )
    assert instance_map(segments, (1,)).tolist() == [[0, 1, 0], [0, 2, 2]]


def test_beyond_255_the_smallest_objects_are_left_out():
    numbers = np.arange(1, 301, dtype=np.uint16)
    parts = np.concatenate([numbers, numbers[45:]])[None]  # the first 45 have one pixel
    found = instance_map(Segments(map=parts, label=np.ones(300, np.uint8)), (1,))
    assert found.max() == 255
    assert len(np.unique(found[0, :45])) == 1
    assert (found[0, 45:300] == np.arange(1, 256)).all()
