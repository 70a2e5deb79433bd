"""CutMix: a rectangle of each image comes, with its labels, from another one of the batch.

Source: arxiv.org/abs/1905.04899; labels per pixel need no mixing of targets.
"""

from __future__ import annotations

import torch
from torch import Tensor


def cutmix(
    pixels: Tensor, labels: Tensor, share: float, generator: torch.Generator
) -> tuple[Tensor, Tensor]:
    """Paste a random rectangle of the next image of the batch into a `share` of the images.

    The rectangle's area is uniform in 0 to 1 of the image's before what reaches over its edge is
    cut off. As `augment`, it never waits for the device and every random number comes from
    `generator`.

    Args:
        pixels: (B, H, W, C), of any type.
        labels: (B, H, W), of any type.
        share: of the images, 0 to 1.
        generator: on the same device.

    Returns:
        New pixels and labels, shapes and types as before.
    """
    batch, height, width = labels.shape
    chosen, area, across, down = torch.rand(
        4, batch, 1, generator=generator, device=generator.device
    )
    half_side = area.sqrt() / 2
    columns = (torch.arange(width, device=labels.device) + 0.5) / width
    rows = (torch.arange(height, device=labels.device) + 0.5) / height
    inside_x = (columns - across).abs() < half_side  # (B, W)
    inside_y = (rows - down).abs() < half_side  # (B, H)
    pasted = (chosen < share)[:, :, None] & inside_y[:, :, None] & inside_x[:, None]  # (B, H, W)
    return (
        torch.where(pasted[..., None], pixels.roll(1, 0), pixels),
        torch.where(pasted, labels.roll(1, 0), labels),
    )
