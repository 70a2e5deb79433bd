"""The instance-contrastive loss: pixels of one instance close together, instances apart.

Sources: L_IC of MaskAttn-UNet, arxiv.org/abs/2503.10686; its form with margins is the
discriminative loss, arxiv.org/abs/1708.02551.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F  # noqa: N812 - the name that PyTorch's own documents use
from torch import Tensor, nn

from maskattn_edge.contract.errors import UsageError
from maskattn_models.network import MaskAttnUNet, NetworkConfig, build_network

EMBEDDED = 8
"""Numbers that stand for a pixel in the instance-contrastive loss."""


def instance_contrastive_loss(
    embeddings: Tensor,
    instances: Tensor,
    *,
    most: int,
    pull_margin: float = 0.5,
    push_margin: float = 1.5,
    centre_weight: float = 0.001,
) -> Tensor:
    """Pull pixels to their instance's mean embedding, push the means of an image apart.

    With c the mean of an instance: pull is the mean over instances of the mean over their pixels
    of max(0, |x - c| - pull_margin)^2; push the mean over pairs of instances of one image of
    max(0, 2 push_margin - |a - b|)^2; and |c| is kept small. Shapes are fixed and nothing waits
    for the device, so that a training step may be captured in a CUDA graph.

    Args:
        embeddings: (B, E, H, W), of any floating type.
        instances: (B, H, W) of integers, 0 = no instance, 1..`most` within each image; pixels of
            higher numbers take no part.
        most: instances that an image can hold.
        pull_margin: distance to the mean within which a pixel is left alone.
        push_margin: half the distance beyond which two means are left alone.
        centre_weight: of the means' own length.

    Returns:
        () float32; 0 where no pixel belongs to an instance.
    """
    pixels = embeddings.float().flatten(2).transpose(1, 2)  # (B, N, E)
    slot = instances.flatten(1).long()  # (B, N)
    slot = torch.where(slot <= most, slot, 0)
    inside = (slot > 0).float()
    each = slot[:, :, None].expand_as(pixels)
    zeros = torch.zeros(len(slot), most + 1, pixels.shape[2], device=slot.device)
    count = zeros[:, :, 0].scatter_add(1, slot, inside)  # (B, M), M = most + 1, none in slot 0
    some = count.clamp(min=1)
    present = (count > 0).float()
    instances_in_batch = present.sum().clamp(min=1)
    centre = zeros.scatter_add(1, each, pixels * inside[:, :, None]) / some[:, :, None]  # (B, M, E)

    own = centre.gather(1, each)  # (B, N, E), zeros where there is none
    excess = F.relu(_length(pixels - own) - pull_margin).square()  # (B, N)
    pull = (excess * inside / some.gather(1, slot)).sum() / instances_in_batch

    pair = (present[:, :, None] * present[:, None]).triu(1)  # (B, M, M)
    push = (F.relu(2 * push_margin - _gaps(centre)).square() * pair).sum() / pair.sum().clamp(min=1)

    length = (_length(centre) * present).sum() / instances_in_batch
    return pull + push + centre_weight * length


def embedding_head(network: MaskAttnUNet) -> nn.Conv2d:
    """A fresh layer from what the network's heads see, (B, C, h, w), to (B, `EMBEDDED`, h, w).

    Training alone has it: it is no part of the network, of its average or of what is exported.

    Raises:
        UsageError: the network learns no instances.
    """
    if not network.config.finds_objects:
        raise UsageError(
            f"the instance-contrastive loss needs instances, which the task {network.config.task!r}"
            " has not: choose --task instance or panoptic, or leave out --contrastive"
        )
    return nn.Conv2d(network.head.in_channels, EMBEDDED, 1)


def check_contrastive(config: NetworkConfig, weight: float) -> None:
    """See, before the data are read, that there are instances where their loss is asked for.

    Raises:
        UsageError: there are none.
    """
    if weight:
        with torch.device("meta"):  # no weights, no random numbers
            embedding_head(build_network(config))


def _gaps(vectors: Tensor) -> Tensor:
    """Distances (B, M, M) of vectors (B, M, E): without a (B, M, M, E), which would be large."""
    square = vectors.square().sum(2)
    product = vectors @ vectors.transpose(1, 2)
    return ((square[:, :, None] + square[:, None] - 2 * product).clamp(min=0) + 1e-12).sqrt()


def _length(vectors: Tensor) -> Tensor:
    """Euclidean length over the last axis; its gradient at zero is zero, not NaN."""
    return (vectors.square().sum(-1) + 1e-12).sqrt()
