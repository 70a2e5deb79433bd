"""The losses of the object heads: where centres are, and where each cell's centre lies."""

from __future__ import annotations

import torch.nn.functional as F  # noqa: N812 - the name that PyTorch's own documents use
from torch import Tensor

from maskattn_models.grouping import HeadMaps
from maskattn_models.training.object_targets import ObjectTargets


def object_loss(
    maps: HeadMaps, targets: ObjectTargets, *, centre_weight: float, offset_weight: float
) -> Tensor:
    """What is added to the loss of the classes, () float32; 0 where nothing is known."""
    centre = centre_loss(maps.centre[:, 0], targets.heat, targets.known)
    offset = offset_loss(maps.offset, targets.offset, targets.inside)
    return centre_weight * centre + offset_weight * offset


def centre_loss(logit: Tensor, heat: Tensor, known: Tensor) -> Tensor:
    """Focal loss that forgives high answers near a centre, a mean over the centres.

    A squared error would be ruled by the many cells that are far from all centres.

    Args:
        logit: (B, h, w), of any floating type.
        heat: (B, h, w) float32 in 0..1, 1 at centres.
        known: (B, h, w) float32, 0 where the cell is left out.

    Source: CornerNet, arxiv.org/abs/1808.01244, equation 1, with its alpha = 2 and beta = 4.
    """
    logit = logit.float()
    chance = logit.sigmoid()
    is_centre = (heat > 0.999).float() * known
    hit = (1 - chance) ** 2 * F.logsigmoid(logit) * is_centre
    miss = (1 - heat) ** 4 * chance**2 * F.logsigmoid(-logit) * (known - is_centre)
    return -(hit + miss).sum() / is_centre.sum().clamp(min=1)


def offset_loss(offset: Tensor, target: Tensor, inside: Tensor) -> Tensor:
    """Mean distance in x plus that in y over the cells of objects.

    Args:
        offset: (B, 2, h, w), of any floating type.
        target: (B, 2, h, w) float32.
        inside: (B, h, w) float32, 1 where a cell belongs to an object.
    """
    distance = (offset.float() - target).abs().sum(1) * inside
    return distance.sum() / inside.sum().clamp(min=1)
