"""CutMix: a rectangle of each image comes, with all that is known of it, from another one.

Source: arxiv.org/abs/1905.04899; labels per pixel need no mixing of targets.
"""

from __future__ import annotations

import torch

from maskattn_models.training.batch import Batch

PASTED = 256
"""Added to the numbers of instances that were pasted, so that they meet no others."""


def cutmix(batch: Batch, share: float, generator: torch.Generator) -> Batch:
    """Paste a random rectangle of the next image of the batch into a `share` of the images.

    The rectangle's area is uniform in 0 to 1 of the image's before what reaches over its edge is
    cut off. As `augment`, it never waits for the device and every random number comes from
    `generator`.

    Args:
        batch: of any types; instances hold at least 16 bits.
        share: of the images, 0 to 1.
        generator: on the same device.

    Returns:
        New tensors, shapes and types as before.
    """
    pixels, labels, instances = batch
    count, height, width = labels.shape
    chosen, area, across, down = torch.rand(
        4, count, 1, generator=generator, device=generator.device
    )
    half_side = area.sqrt() / 2
    columns = (torch.arange(width, device=labels.device) + 0.5) / width
    rows = (torch.arange(height, device=labels.device) + 0.5) / height
    inside_x = (columns - across).abs() < half_side  # (B, W)
    inside_y = (rows - down).abs() < half_side  # (B, H)
    pasted = (chosen < share)[:, :, None] & inside_y[:, :, None] & inside_x[:, None]  # (B, H, W)
    if instances is not None:
        others = instances.roll(1, 0)
        others = torch.where(others > 0, others + PASTED, others)
        instances = torch.where(pasted, others, instances)
    return Batch(
        torch.where(pasted[..., None], pixels.roll(1, 0), pixels),
        torch.where(pasted, labels.roll(1, 0), labels),
        instances,
    )
