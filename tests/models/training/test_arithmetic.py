"""Loss, schedule and averaging."""

import math

import numpy as np
import pytest
import torch
from torch import nn

from maskattn_models.training.ema import Average
from maskattn_models.training.loss import segmentation_loss, sqrt_class_weights
from maskattn_models.training.schedule import ema_decay, learning_rate


def loss(logits, labels, *, smoothing=0.0, weights=None):
    return segmentation_loss(logits, labels, label_smoothing=smoothing, class_weights=weights)


def test_loss_is_the_mean_over_labelled_pixels():
    logits = torch.tensor([[[[2.0, 0.0, 5.0]], [[0.0, 1.0, 1.0]]]])  # (1, 2, 1, 3)
    labels = torch.tensor([[[0, 1, 255]]], dtype=torch.uint8)
    expected = (math.log(1 + math.exp(-2)) + math.log(1 + math.exp(-1))) / 2
    assert loss(logits, labels).item() == pytest.approx(expected)


def test_loss_of_a_batch_without_labels_is_zero_and_so_is_its_gradient():
    logits = torch.randn(1, 3, 4, 4, requires_grad=True)
    ignored = torch.full((1, 4, 4), 255, dtype=torch.uint8)
    for weights in (None, torch.ones(3)):
        value = loss(logits, ignored, weights=weights, smoothing=0.1)
        value.backward()
        assert value.item() == 0
        assert (logits.grad == 0).all()


def test_weighted_loss_equals_that_of_pytorch():
    torch.manual_seed(0)
    logits, labels = torch.randn(2, 3, 4, 4), torch.randint(0, 3, (2, 4, 4)).byte()
    labels[0, 0] = 255
    weights = torch.tensor([0.5, 1.0, 3.0])
    expected = nn.functional.cross_entropy(
        logits, labels.long(), weights, ignore_index=255, label_smoothing=0.1
    )
    torch.testing.assert_close(loss(logits, labels, smoothing=0.1, weights=weights), expected)


def test_class_weights_follow_the_inverse_root_and_are_bounded():
    labels = np.array([0] * 400 + [1] * 100 + [255] * 50, np.uint8)
    weights = sqrt_class_weights(labels, 2)
    assert weights[1] / weights[0] == pytest.approx(2)
    assert (weights * [400, 100]).sum() / 500 == pytest.approx(1)
    rare = sqrt_class_weights(np.array([0] * 10**6 + [1], np.uint8), 2)
    assert rare[1] / rare[0] == pytest.approx(16)


def rate(step, **changes):
    how = {"peak": 1.0, "warmup_steps": 10, "total_steps": 110, **changes}
    return learning_rate(torch.tensor(step), **how).item()


def test_the_learning_rate_rises_and_falls():
    assert rate(0) == pytest.approx(0.1)
    assert rate(9) == pytest.approx(1)
    assert rate(10) == pytest.approx(1)
    assert rate(60) == pytest.approx(0.5)
    assert 0 < rate(109) < 0.001


def test_without_warm_up_it_starts_at_the_peak():
    assert rate(0, warmup_steps=0) == 1
    assert rate(0, warmup_steps=0, total_steps=1) == 1


def test_averaging_forgets_the_first_weights_soon():
    assert ema_decay(torch.tensor(0), decay=0.999).item() == pytest.approx(0.1)
    assert ema_decay(torch.tensor(10**6), decay=0.999).item() == pytest.approx(0.999)


def test_the_average_follows_weights_and_statistics():
    network = nn.Sequential(nn.Conv2d(1, 1, 1), nn.BatchNorm2d(1))
    average = Average(network)
    before = {name: value.clone() for name, value in network.state_dict().items()}
    with torch.no_grad():
        for value in network.state_dict().values():
            value.add_(1)
    average.update(network, torch.tensor(0.75))
    for name, value in average.network.state_dict().items():
        step = 0.25 if value.is_floating_point() else 1
        torch.testing.assert_close(value, before[name] + step)
    assert not any(p.requires_grad for p in average.network.parameters())
