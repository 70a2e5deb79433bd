"""The loss of the pixels that are labelled: cross-entropy, alone or with one of overlap."""

from __future__ import annotations

import functools
import warnings

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812 - the name that PyTorch's own documents use
from numpy.typing import NDArray
from torch import Tensor

from maskattn_edge.contract.classes import IGNORE
from maskattn_models.network import enlarge
from maskattn_models.training.overlap import (
    Total,
    alone,
    dice_loss,
    dice_of_sums,
    lovasz_softmax_loss,
)
from maskattn_models.training.settings import Loss

_BOUND = 4.0
"""A class weighs at most so many times the mean class, and at least one such part of it."""


def segmentation_loss(
    logits: Tensor,
    labels: Tensor,
    *,
    label_smoothing: float,
    class_weights: Tensor | None,
    loss: Loss = "cross-entropy",
    total: Total = alone,
) -> Tensor:
    """What training lowers; 0, not NaN, where no pixel is labelled.

    Args:
        logits: (B, K, H, W), of any floating type.
        labels: (B, H, W) uint8, 255 = ignored.
        label_smoothing: of the cross-entropy: share of the target that is spread over all classes.
        class_weights: of the cross-entropy, (K,) float32, or None for equal ones.
        loss: what is added to the cross-entropy.
        total: of what all processes that share the batch have of it, for Dice. Cross-entropy and
            Lovasz are of the pixels here.

    Returns:
        () float32.
    """
    entropy = cross_entropy(
        logits, labels, label_smoothing=label_smoothing, class_weights=class_weights
    )
    if loss == "cross-entropy+dice":
        return entropy + dice_loss(logits, labels, total=total)
    if loss == "cross-entropy+lovasz":
        return entropy + lovasz_softmax_loss(logits, labels)
    return entropy


def enlarged_segmentation_loss(
    logits: Tensor,
    labels: Tensor,
    *,
    label_smoothing: float,
    class_weights: Tensor | None,
    loss: Loss = "cross-entropy",
    total: Total = alone,
) -> Tensor:
    """`segmentation_loss` of logits on the heads' grid, (B, K, H/2, W/2), enlarged.

    On a GPU with Triton the result is made without the large logits, unless the target is
    smoothed or the loss is one that sorts them.
    """
    fused = label_smoothing == 0 and loss in _FUSED and logits.is_cuda and _triton_works()
    if not fused:
        return segmentation_loss(
            enlarge(logits.float()),
            labels,
            label_smoothing=label_smoothing,
            class_weights=class_weights,
            loss=loss,
            total=total,
        )
    from maskattn_models.training.fused_losses import enlarged_losses

    weights = class_weights
    if weights is None:
        weights = torch.ones(logits.shape[1], device=logits.device)
    sums = enlarged_losses(logits, labels, weights, overlap=loss != "cross-entropy")
    entropy = sums.cross_entropy / labelled_weight(labels, class_weights).clamp(min=1e-6)
    if loss == "cross-entropy":
        return entropy
    return entropy + dice_of_sums(sums.common, sums.squares, sums.counts, total=total)


_FUSED: tuple[Loss, ...] = ("cross-entropy", "cross-entropy+dice")


@functools.cache
def _triton_works() -> bool:
    """Whether Triton's kernels compile and run on this machine's GPU."""
    try:
        from maskattn_models.training.fused_losses import enlarged_losses

        logits = torch.zeros(1, 2, 1, 1, device="cuda")
        labels = torch.zeros(1, 2, 2, dtype=torch.uint8, device="cuda")
        enlarged_losses(logits, labels, torch.ones(2, device="cuda"), overlap=True)
    except ModuleNotFoundError:
        return False  # PyTorch's packages bring Triton where it exists
    except Exception as error:  # a compiler may be missing, or the GPU be too old
        reason = " ".join(str(error).split())[:200]
        warnings.warn(f"training is slower: Triton does not work here ({reason})", stacklevel=2)
        return False
    return True


def cross_entropy(
    logits: Tensor, labels: Tensor, *, label_smoothing: float, class_weights: Tensor | None
) -> Tensor:
    """Mean cross-entropy of the labelled pixels; shapes as for `segmentation_loss`."""
    target = labels.long()
    total = F.cross_entropy(
        logits.float(),
        target,
        weight=class_weights,
        ignore_index=IGNORE,
        label_smoothing=label_smoothing,
        reduction="sum",
    )
    return total / labelled_weight(labels, class_weights).clamp(min=1e-6)


def labelled_weight(labels: Tensor, class_weights: Tensor | None) -> Tensor:
    """What the pixels of a batch weigh together in `segmentation_loss`: its denominator.

    Args:
        labels: (B, H, W) uint8, 255 = ignored.
        class_weights: (K,) float32, or None for equal ones.

    Returns:
        () float32.
    """
    valid = labels != IGNORE
    if class_weights is None:
        return valid.sum().float()
    return (class_weights[torch.where(valid, labels.long(), 0)] * valid).sum()


def sqrt_class_weights(labels: NDArray[np.uint8], classes: int) -> NDArray[np.float32]:
    """Weight of each class by the inverse root of its frequency, bounded, mean 1 over pixels.

    Args:
        labels: (...) uint8, 255 = ignored.
        classes: K.

    Returns:
        (K,) float32; classes that are absent weigh as much as the rarest.
    """
    counts = np.bincount(labels.ravel(), minlength=256)[:classes].astype(np.float64)
    share = np.maximum(counts, 1) / max(1.0, counts.sum())
    weight = 1 / np.sqrt(share)
    weight = np.clip(weight / np.exp(np.log(weight).mean()), 1 / _BOUND, _BOUND)
    mean = (weight * counts).sum() / max(1.0, counts.sum())
    return np.asarray(weight / (mean or 1.0), dtype=np.float32)
