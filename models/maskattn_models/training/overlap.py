"""Losses that see a class as a region: soft Dice and Lovasz-softmax.

Cross-entropy counts pixels, so that small classes weigh little; these two count overlap per
class, as mean IoU does. All shapes are fixed and nothing waits for the device, so that a training
step may be captured in a CUDA graph.

Sources: Dice, V-Net, arxiv.org/abs/1606.04797; Lovasz-softmax, arxiv.org/abs/1705.08790.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from maskattn_edge.contract.classes import IGNORE

Total = Callable[[Tensor], Tensor]
"""Adds up over all processes that share a batch what each has of it; gradients go through."""


def alone(sums: Tensor) -> Tensor:
    """The `Total` of a process that has the whole batch."""
    return sums


def dice_loss(logits: Tensor, labels: Tensor, *, total: Total = alone) -> Tensor:
    """1 - Dice, 2 sum(p g) / (sum(p^2) + sum(g^2)), of the classes that the batch holds.

    Args:
        logits: (B, K, H, W), of any floating type.
        labels: (B, H, W) uint8, 255 = ignored.
        total: of what all processes have of the batch.

    Returns:
        () float32 in [0, 1], the mean over classes; 0 where no pixel is labelled.
    """
    chance = logits.float().softmax(1)  # (B, K, H, W)
    truth, valid = _one_hot(labels, logits.shape[1])
    common = (chance * truth).sum((0, 2, 3))  # (K,)
    count = truth.sum((0, 2, 3), dtype=torch.float32)
    squares = (chance.square() * valid).sum((0, 2, 3))
    return dice_of_sums(common, squares, count, total=total)


def dice_of_sums(
    common: Tensor, squares: Tensor, counts: Tensor, *, total: Total = alone
) -> Tensor:
    """`dice_loss` of what a batch adds up to, (K,) float32 each: sum(p g), sum(p^2), sum(g^2)."""
    common, squares, counts = total(torch.stack((common, squares, counts))).unbind(0)
    dice = 2 * common / (squares + counts).clamp(min=1e-6)
    return _mean_of_present(1 - dice, counts > 0)


def lovasz_softmax_loss(logits: Tensor, labels: Tensor) -> Tensor:
    """The Lovasz extension of 1 - IoU of the classes that the batch holds.

    A class's errors |g - p| are sorted, largest first; each weighs by how much 1 - IoU grows when
    its pixel is wrong as well as those before it. The whole batch is one image, which is nearer
    to the IoU of a data set than the mean over images.

    Args:
        logits: (B, K, H, W), of any floating type.
        labels: (B, H, W) uint8, 255 = ignored.

    Returns:
        () float32 in [0, 1], the mean over classes; 0 where no pixel is labelled.
    """
    classes = logits.shape[1]
    chance = logits.float().softmax(1)
    truth, valid = _one_hot(labels, classes)
    wrong = torch.where(valid, (truth.float() - chance).abs(), -1.0)  # ignored pixels sort last
    errors, order = wrong.transpose(0, 1).reshape(classes, -1).sort(1, descending=True)  # (K, P)
    sorted_truth = truth.transpose(0, 1).reshape(classes, -1).gather(1, order)
    loss = (errors.clamp(min=0) * _growth(sorted_truth)).sum(1)
    return _mean_of_present(loss, sorted_truth.any(1))


def _growth(truth: Tensor) -> Tensor:
    """By how much each further wrong pixel lets 1 - IoU grow: (K, P) float32 of (K, P) bool.

    After i wrong pixels the intersection is I = G - (those of the class) and the union is
    U = G + (those of others). The difference of two such quotients would drown in rounding where
    P is large, so it is written out: 1 / U for a pixel of the class, I / (U (U - 1)) for another.
    """
    of_class = truth.cumsum(1, dtype=torch.float32)
    total = of_class[:, -1:]
    place = torch.arange(1, truth.shape[1] + 1, device=truth.device, dtype=torch.float32)
    intersection, union = total - of_class, total + place - of_class
    other = intersection / (union - 1).clamp(min=1)
    return torch.where(truth, 1.0, other) / union.clamp(min=1)


def _one_hot(labels: Tensor, classes: int) -> tuple[Tensor, Tensor]:
    """Which class a pixel is, (B, K, H, W) bool, and whether it is labelled, (B, 1, H, W) bool."""
    index = torch.arange(classes, device=labels.device).view(1, classes, 1, 1)
    return labels[:, None] == index, labels[:, None] != IGNORE


def _mean_of_present(values: Tensor, present: Tensor) -> Tensor:
    return (values * present).sum() / present.sum().clamp(min=1)
