"""Dice and Lovasz-softmax, each beside an independent one written pixel by pixel."""

import pytest
import torch

from maskattn_models.training.loss import segmentation_loss
from maskattn_models.training.overlap import dice_loss, lovasz_softmax_loss

LOSSES = [dice_loss, lovasz_softmax_loss]


def batch(*, classes=4, seed=0, dtype=torch.float32, void=0.2):
    """Class 3 has no pixel; some pixels are ignored."""
    generator = torch.Generator().manual_seed(seed)
    logits = 2 * torch.randn(2, classes, 3, 5, generator=generator).to(dtype)
    labels = torch.randint(0, classes - 1, (2, 3, 5), generator=generator).byte()
    labels[torch.rand(labels.shape, generator=generator) < void] = 255
    return logits, labels


def labelled_pixels(logits, labels):
    """A list of (chances of each class, class) of the labelled pixels."""
    chances = logits.double().softmax(1)
    return [
        (chances[b, :, y, x].tolist(), int(labels[b, y, x]))
        for b in range(labels.shape[0])
        for y in range(labels.shape[1])
        for x in range(labels.shape[2])
        if labels[b, y, x] != 255
    ]


def slow_dice(logits, labels):
    pixels, losses = labelled_pixels(logits, labels), []
    for k in sorted({label for _, label in pixels}):
        common = sum(chance[k] for chance, label in pixels if label == k)
        squares = sum(chance[k] ** 2 for chance, _ in pixels)
        losses.append(1 - 2 * common / (squares + sum(label == k for _, label in pixels)))
    return sum(losses) / len(losses)


def slow_lovasz(logits, labels):
    """The definition: sum of error_i (J(first i wrong) - J(first i - 1 wrong))."""
    pixels, losses = labelled_pixels(logits, labels), []
    for k in sorted({label for _, label in pixels}):
        errors = [(abs((label == k) - chance[k]), label == k) for chance, label in pixels]
        errors.sort(key=lambda pair: -pair[0])

        def one_minus_iou(wrong, errors=errors):
            truth = {i for i, (_, is_class) in enumerate(errors) if is_class}
            found = truth.symmetric_difference(range(wrong))
            return 1 - len(truth & found) / len(truth | found)

        losses.append(
            sum(
                error * (one_minus_iou(i + 1) - one_minus_iou(i))
                for i, (error, _) in enumerate(errors)
            )
        )
    return sum(losses) / len(losses)


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize(
    ("loss", "slow"), [(dice_loss, slow_dice), (lovasz_softmax_loss, slow_lovasz)]
)
def test_it_equals_the_definition(loss, slow, seed):
    logits, labels = batch(seed=seed)
    assert loss(logits, labels).item() == pytest.approx(slow(logits, labels), abs=1e-5)


@pytest.mark.parametrize("loss", LOSSES)
def test_a_certain_answer_has_the_loss_of_its_iou_or_dice(loss):
    labels = torch.tensor([[[0, 0, 0, 1]]], dtype=torch.uint8)
    answer = torch.tensor([[[0, 0, 1, 1]]])
    logits = 100 * torch.nn.functional.one_hot(answer, 2).permute(0, 3, 1, 2).float()
    expected = {
        dice_loss: 1 - (2 * 2 / (2 + 3) + 2 * 1 / (2 + 1)) / 2,
        lovasz_softmax_loss: 1 - (2 / 3 + 1 / 2) / 2,
    }
    assert loss(logits, labels).item() == pytest.approx(expected[loss], abs=1e-6)


@pytest.mark.parametrize("loss", LOSSES)
def test_a_right_answer_costs_nothing_and_a_wrong_one_everything(loss):
    labels = torch.tensor([[[0, 0, 1, 1]]], dtype=torch.uint8)
    right = 100 * torch.nn.functional.one_hot(labels.long(), 2).permute(0, 3, 1, 2).float()
    assert loss(right, labels).item() == pytest.approx(0, abs=1e-6)
    assert loss(-right, labels).item() == pytest.approx(1, abs=1e-6)


@pytest.mark.parametrize("loss", LOSSES)
def test_ignored_pixels_change_nothing(loss):
    logits, labels = batch()
    other = torch.where(labels[:, None] == 255, torch.randn(1), logits)
    assert not torch.equal(logits, other)
    torch.testing.assert_close(loss(logits, labels), loss(other, labels))
    logits.requires_grad_()
    loss(logits, labels).backward()
    ignored = (labels[:, None] == 255).expand_as(logits)
    assert not logits.grad[ignored].any()
    assert logits.grad[~ignored].any()


@pytest.mark.parametrize("loss", LOSSES)
def test_without_labels_the_loss_and_its_gradient_are_zero(loss):
    logits = torch.randn(1, 3, 4, 4, requires_grad=True)
    value = loss(logits, torch.full((1, 4, 4), 255, dtype=torch.uint8))
    value.backward()
    assert value.item() == 0
    assert not logits.grad.any()


@pytest.mark.parametrize("loss", LOSSES)
def test_extreme_logits_stay_finite(loss):
    logits = torch.tensor([1e4, -1e4, 0.0]).view(1, 3, 1, 1).expand(1, 3, 4, 4)
    logits = logits.to(torch.bfloat16).requires_grad_()
    labels = torch.arange(16).remainder(3).byte().view(1, 4, 4)
    value = loss(logits, labels)
    value.backward()
    assert value.dtype == torch.float32
    assert value.isfinite()
    assert logits.grad.isfinite().all()


@pytest.mark.parametrize("loss", LOSSES)
def test_the_gradient_is_that_of_small_differences(loss):
    """Checked in float32, along random directions; errors are distinct, so no kink is near."""
    logits, labels = batch(seed=3)
    logits.requires_grad_()
    (gradient,) = torch.autograd.grad(loss(logits, labels), logits)
    for seed in range(4):
        direction = torch.randn(logits.shape, generator=torch.Generator().manual_seed(seed))
        step = 1e-3 * direction
        with torch.no_grad():
            difference = (loss(logits + step, labels) - loss(logits - step, labels)) / 2e-3
        torch.testing.assert_close((gradient * direction).sum(), difference, rtol=0.01, atol=3e-4)


def test_lovasz_is_exact_on_many_pixels():
    """The growths add up to 1 - IoU of all wrong, 1, also over a million pixels."""
    labels = (torch.arange(1 << 20).remainder(1000) > 0).byte().view(1, 1024, 1024)
    wrong = -50 * torch.nn.functional.one_hot(labels.long(), 2).permute(0, 3, 1, 2).float()
    assert lovasz_softmax_loss(wrong, labels).item() == pytest.approx(1, abs=1e-4)


@pytest.mark.parametrize(
    ("name", "extra"),
    [("cross-entropy+dice", dice_loss), ("cross-entropy+lovasz", lovasz_softmax_loss)],
)
def test_the_losses_are_added(name, extra):
    logits, labels = batch()
    weights = torch.tensor([1.0, 2.0, 0.5, 1.0])
    how = {"label_smoothing": 0.1, "class_weights": weights}
    alone = segmentation_loss(logits, labels, **how)
    both = segmentation_loss(logits, labels, **how, loss=name)
    torch.testing.assert_close(both, alone + extra(logits, labels))
