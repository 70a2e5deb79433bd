"""The instance-contrastive loss: pixels of one instance close together, instances apart.

Sources: L_IC of MaskAttn-UNet, arxiv.org/abs/2503.10686; its form with margins is the
discriminative loss, arxiv.org/abs/1708.02551.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F  # noqa: N812 - the name that PyTorch's own documents use
from torch import Tensor


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
        instances: (B, H, W) uint8, 0 = no instance, 1..`most` within each image; pixels of
            higher numbers take no part.
        most: instances that an image can hold.
        pull_margin: distance to the mean within which a pixel is left alone.
        push_margin: half the distance beyond which two means are left alone.
        centre_weight: of the means' own length.

    Returns:
        () float32; 0 where no pixel belongs to an instance.
    """
    pixels = embeddings.float().flatten(2).transpose(1, 2)  # (B, N, E)
    number = torch.arange(1, most + 1, device=instances.device)
    member = (instances.flatten(1)[:, :, None] == number).float()  # (B, N, M)
    count = member.sum(1)  # (B, M)
    present = (count > 0).float()
    instances_in_batch = present.sum().clamp(min=1)
    share = member / count.clamp(min=1)[:, None]  # each instance's pixels add up to 1
    centre = share.transpose(1, 2) @ pixels  # (B, M, E)

    own = member @ centre  # (B, N, E), zeros where there is none
    excess = F.relu(_length(pixels - own) - pull_margin).square()  # (B, N)
    pull = (share * excess[:, :, None]).sum() / instances_in_batch

    gap = _length(centre[:, :, None] - centre[:, None])  # (B, M, M)
    pair = (present[:, :, None] * present[:, None]).triu(1)
    push = (F.relu(2 * push_margin - gap).square() * pair).sum() / pair.sum().clamp(min=1)

    length = (_length(centre) * present).sum() / instances_in_batch
    return pull + push + centre_weight * length


def _length(vectors: Tensor) -> Tensor:
    """Euclidean length over the last axis; its gradient at zero is zero, not NaN."""
    return (vectors.square().sum(-1) + 1e-12).sqrt()
