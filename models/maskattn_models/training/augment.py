"""Augmentation of whole batches, as tensor operations on the device.

Every random number comes from one generator, nothing depends on values in Python, and no step
waits for the device, so that a training step may be captured in a CUDA graph.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F  # noqa: N812 - the name that PyTorch's own documents use
from torch import Tensor

from maskattn_edge.contract.classes import IGNORE
from maskattn_edge.preprocess import PAD
from maskattn_models.training.batch import Batch
from maskattn_models.training.mix import cutmix
from maskattn_models.training.settings import AugmentSettings

_LUMA = (0.299, 0.587, 0.114)


def augment(
    batch: Batch,
    settings: AugmentSettings,
    generator: torch.Generator,
    *,
    height: int,
    width: int,
) -> Batch:
    """Crop, turn, mirror, recolour and mix a batch, each sample by its own random numbers.

    Args:
        batch: as stored, of the working size.
        settings: how far.
        generator: on the same device.
        height: of the result.
        width: of the result.

    Returns:
        The batch on (height, width) pixels; where the source has no pixel the label is 255 and
        there is no instance.
    """
    images, labels, instances = batch
    place = random_affine(
        len(images), settings, generator, aspect_ratio=images.shape[2] / images.shape[1]
    )
    pixels = sample_images(images, place, height=height, width=width)
    pixels = recolor(pixels, settings, generator).permute(0, 2, 3, 1)
    target = sample_labels(labels, place, height=height, width=width)
    if instances is not None:
        instances = sample_instances(instances, place, height=height, width=width)
    changed = Batch(pixels, target, instances)
    return changed if settings.cutmix == 0 else cutmix(changed, settings.cutmix, generator)


def random_affine(
    batch: int, settings: AugmentSettings, generator: torch.Generator, *, aspect_ratio: float
) -> Tensor:
    """From the result's coordinates to the source's, both -1..1: (batch, 2, 3) float32.

    `aspect_ratio` is width over height, the same before and after.
    """
    low, high = settings.scale
    side = low + (high - low) * _uniform(batch, generator)
    stretch = (settings.aspect * _signed(batch, generator)).exp()
    across, down = side * stretch, side / stretch
    angle = math.radians(settings.rotation_deg) * _signed(batch, generator)
    mirror = 1 - 2 * (_uniform(batch, generator) < settings.flip).float()
    cos, sin = angle.cos(), angle.sin()
    shift_x = (1 - across).abs() * _signed(batch, generator)
    shift_y = (1 - down).abs() * _signed(batch, generator)
    rows = [
        torch.stack([mirror * across * cos, -down * sin / aspect_ratio, shift_x], 1),
        torch.stack([mirror * across * sin * aspect_ratio, down * cos, shift_y], 1),
    ]
    return torch.stack(rows, 1)


def sample_images(images: Tensor, place: Tensor, *, height: int, width: int) -> Tensor:
    """Images (B, 3, height, width) float32 in 0..255 of images (B, h, w, 3) uint8.

    Frames at work are shrunk by area averaging. Bilinear sampling reads 2x2 pixels however far
    it shrinks, which aliases and gives sharper pictures than the network will see. So twice as
    many points a side are sampled, less than one source pixel apart up to a shrinkage of two,
    and averaged 2x2. Outside the image lies the letterbox's grey.
    """
    source = images.permute(0, 3, 1, 2).float() - PAD  # grid_sample pads with zeros
    grid = _grid(place, height=2 * height, width=2 * width)
    fine = F.grid_sample(source, grid, mode="bilinear", align_corners=False)
    return F.avg_pool2d(fine, 2) + PAD


def sample_labels(labels: Tensor, place: Tensor, *, height: int, width: int) -> Tensor:
    """Labels (B, height, width) uint8 of labels (B, h, w) uint8, by nearest neighbour."""
    source = labels[:, None].float() - IGNORE
    grid = _grid(place, height=height, width=width)
    sampled = F.grid_sample(source, grid, mode="nearest", align_corners=False)[:, 0]
    return (sampled + IGNORE).to(torch.uint8)


def sample_instances(instances: Tensor, place: Tensor, *, height: int, width: int) -> Tensor:
    """Instances (B, height, width) int16 of instances (B, h, w) uint8, as `sample_labels`."""
    grid = _grid(place, height=height, width=width)
    source = instances[:, None].float()  # grid_sample pads with zeros: no object
    return F.grid_sample(source, grid, mode="nearest", align_corners=False)[:, 0].to(torch.int16)


def _grid(place: Tensor, *, height: int, width: int) -> Tensor:
    """Where each pixel lies in the source: (B, height, width, 2) float32, x and y in -1..1.

    As `torch.nn.functional.affine_grid`, without its product of matrices three numbers wide.
    """
    x = (2 * torch.arange(width, device=place.device) + 1) / width - 1
    y = (2 * torch.arange(height, device=place.device) + 1) / height - 1
    along_x, along_y, shift = place[:, None, None].unbind(-1)  # (B, 1, 1, 2) each
    return along_x * x[:, None] + (along_y * y[:, None, None] + shift)


def recolor(images: Tensor, settings: AugmentSettings, generator: torch.Generator) -> Tensor:
    """Change sharpness, colours, exposure and noise of (B, 3, H, W) float32 in 0..255."""
    batch = len(images)

    def signed(channels: int = 1) -> Tensor:
        return _signed(batch * channels, generator).view(batch, channels, 1, 1)

    def chosen(share: float) -> Tensor:
        return (_uniform(batch, generator) < share).float().view(batch, 1, 1, 1)

    x = images / 255
    blurred = F.avg_pool2d(x, 3, stride=1, padding=1, count_include_pad=False)
    x = x + settings.sharpness * signed() * (blurred - x)
    x = x * (1 + settings.color * signed(3))
    # One channel at a time: a tensor of the weights would have to come from the host.
    red, green, blue = (share * x[:, c : c + 1] for c, share in enumerate(_LUMA))
    luma = red + green + blue
    colorful = (1 + 2 * settings.color * signed()) * (1 - chosen(settings.grey))
    x = luma + colorful * (x - luma)
    mean = x.mean((1, 2, 3), keepdim=True)
    x = mean + (1 + settings.contrast * signed()) * (x - mean) + settings.brightness * signed()
    x = x.clamp(1e-6, 1) ** (settings.gamma * signed()).exp()
    deviation = settings.noise * _uniform(batch, generator).view(batch, 1, 1, 1)
    noise = torch.randn(x.shape, generator=generator, device=x.device)
    return (x + deviation * noise).clamp(0, 1) * 255


def _uniform(count: int, generator: torch.Generator) -> Tensor:
    return torch.rand(count, generator=generator, device=generator.device)


def _signed(count: int, generator: torch.Generator) -> Tensor:
    return 2 * _uniform(count, generator) - 1
