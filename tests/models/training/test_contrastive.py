import itertools
import math

import pytest
import torch

from maskattn_models.training.contrastive import instance_contrastive_loss


def slow(embeddings, instances, *, most, pull_margin=0.5, push_margin=1.5, centre_weight=0.001):
    """The definition, one pixel and one pair at a time."""
    pulls, pushes, lengths = [], [], []
    for vectors, numbers in zip(embeddings.double(), instances, strict=True):
        centres = []
        for number in range(1, most + 1):
            own = [
                vectors[:, y, x]
                for y in range(numbers.shape[0])
                for x in range(numbers.shape[1])
                if numbers[y, x] == number
            ]
            if not own:
                continue
            centre = sum(own) / len(own)
            centres.append(centre)
            lengths.append(math.dist(centre, [0] * len(centre)))
            hinges = [max(0, math.dist(one, centre) - pull_margin) ** 2 for one in own]
            pulls.append(sum(hinges) / len(own))
        pushes += [
            max(0, 2 * push_margin - math.dist(a, b)) ** 2
            for a, b in itertools.combinations(centres, 2)
        ]

    def mean(values):
        return sum(values) / max(1, len(values))

    return mean(pulls) + mean(pushes) + centre_weight * mean(lengths)


def batch(seed=0):
    """Two images with other counts of instances; number 9 is beyond what is asked for."""
    generator = torch.Generator().manual_seed(seed)
    embeddings = torch.randn(2, 3, 4, 5, generator=generator)
    instances = torch.randint(0, 4, (2, 4, 5), generator=generator).byte()
    instances[1][instances[1] == 3] = 2
    instances[0, 0, 0] = 9
    return embeddings, instances


@pytest.mark.parametrize("seed", range(4))
def test_it_equals_the_definition(seed):
    embeddings, instances = batch(seed)
    for changes in ({}, {"pull_margin": 0.1, "push_margin": 0.6, "centre_weight": 0.5}):
        loss = instance_contrastive_loss(embeddings, instances, most=5, **changes)
        expected = slow(embeddings, instances, most=5, **changes)
        assert loss.item() == pytest.approx(float(expected), rel=1e-5)


def test_tight_instances_far_apart_cost_only_their_length():
    instances = torch.tensor([[[1, 1, 2, 2, 0]]], dtype=torch.uint8)
    embeddings = torch.where(instances == 1, 4.0, -4.0)[:, None]
    loss = instance_contrastive_loss(embeddings, instances, most=3)
    assert loss.item() == pytest.approx(0.001 * 4)


def test_the_gradient_pulls_a_pixel_in_and_pushes_instances_apart():
    instances = torch.tensor([[[1, 1, 2]]], dtype=torch.uint8)
    embeddings = torch.tensor([[[[-2.0, 0.0, 0.5]]]]).requires_grad_()
    instance_contrastive_loss(embeddings, instances, most=2, centre_weight=0.0).backward()
    left, right, other = (-embeddings.grad).flatten().tolist()
    assert left > right  # the two pixels of the first instance come closer
    assert other > (left + right) / 2  # and the second instance leaves it


def test_instances_of_two_images_do_not_meet():
    embeddings = torch.zeros(2, 2, 2, 2)
    instances = torch.ones(2, 2, 2, dtype=torch.uint8)
    loss = instance_contrastive_loss(embeddings, instances, most=4)
    assert loss.item() == pytest.approx(0, abs=1e-5)


def test_without_instances_the_loss_and_its_gradient_are_zero():
    embeddings = torch.randn(1, 3, 2, 2, requires_grad=True)
    loss = instance_contrastive_loss(embeddings, torch.zeros(1, 2, 2).byte(), most=4)
    loss.backward()
    assert loss.item() == 0
    assert not embeddings.grad.any()


def test_equal_embeddings_have_a_finite_gradient():
    embeddings = torch.zeros(1, 3, 2, 2, requires_grad=True)
    instances = torch.tensor([[[1, 2], [1, 2]]], dtype=torch.uint8)
    instance_contrastive_loss(embeddings, instances, most=4).backward()
    assert embeddings.grad.isfinite().all()


def test_the_gradient_is_that_of_small_differences():
    embeddings, instances = batch()
    embeddings.requires_grad_()

    def loss(values):
        return instance_contrastive_loss(values, instances, most=4)

    (gradient,) = torch.autograd.grad(loss(embeddings), embeddings)
    for seed in range(4):
        direction = torch.randn(embeddings.shape, generator=torch.Generator().manual_seed(seed))
        with torch.no_grad():
            step = 1e-3 * direction
            difference = (loss(embeddings + step) - loss(embeddings - step)) / 2e-3
        torch.testing.assert_close((gradient * direction).sum(), difference, rtol=0.02, atol=2e-3)
