"""The published MaskAttn-UNet, as its weights were trained: to run and to measure, not to train.

Written anew from the architecture's description. What its weights were trained with is kept, slips
included, because the weights mean nothing without it: attention's tokens go back to a grid without
the transposition that would undo the flattening, and the logits pass through batch norm and ReLU.

Source: MaskAttn-UNet, arxiv.org/abs/2503.10686; the graph's details are facts of its public code.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F  # noqa: N812 - the name that PyTorch's own documents use
from torch import Tensor, nn

from maskattn_edge.contract.classes import IGNORE
from maskattn_edge.contract.errors import UsageError
from maskattn_models.network import SegmentationNetwork

SCORES_AT_ONCE = 2**24
"""Attention scores that exist at one time, 64 MiB in fp32; those of the largest grid are 1 GiB."""


@dataclass(frozen=True, kw_only=True)
class PublishedConfig:
    """What differs between published checkpoints.

    Args:
        classes: number of labels, 1..255.
        height, width: of the input in pixels, multiples of 8 from 16 to 256; the last layer norm
            has a weight for each pixel, so that a checkpoint fits one size, 128x128 as published.

    Raises:
        UsageError: a number is out of range.
    """

    classes: int
    height: int = 128
    width: int = 128

    def __post_init__(self) -> None:
        if not 1 <= self.classes <= IGNORE:
            raise UsageError(f"a network has 1 to {IGNORE} classes, got {self.classes}")
        if any(side % 8 or not 16 <= side <= 256 for side in (self.height, self.width)):
            raise UsageError(
                "the sides of the published network's input are multiples of 8 from 16 to 256, "
                f"got {self.height}x{self.width}"
            )


def conv_pair(
    inputs: int, outputs: int, *, middle: int | None = None, norms: int = 1
) -> nn.Sequential:
    """Two 3x3 convolutions with batch norm and GELU between; `norms` batch norms at the end."""
    middle = middle or outputs
    return nn.Sequential(
        nn.Conv2d(inputs, middle, 3, padding=1, bias=False),
        nn.BatchNorm2d(middle),
        nn.GELU(),
        nn.Conv2d(middle, outputs, 3, padding=1, bias=False),
        *(nn.BatchNorm2d(outputs) for _ in range(norms)),
    )


class Residual(nn.Module):
    """GELU of the input plus a pair of convolutions of it."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.body = conv_pair(channels, channels)

    def forward(self, x: Tensor) -> Tensor:
        """As large as x, (B, C, H, W)."""
        return F.gelu(x + self.body(x))


class Stage(nn.Module):
    """What follows each change of grid: a residual pair, then a pair that changes the channels."""

    def __init__(self, inputs: int, outputs: int, *, middle: int | None = None) -> None:
        super().__init__()
        self.refine = Residual(inputs)
        self.change = conv_pair(inputs, outputs, middle=middle, norms=2)

    def forward(self, x: Tensor) -> Tensor:
        """(B, inputs, H, W) to (B, outputs, H, W)."""
        changed: Tensor = self.change(self.refine(x))
        return changed


class FullAttention(nn.Module):
    """Single-head self-attention over every position of a grid, every key kept.

    The published mask is missing from the checkpoints: a random half of the keys, drawn at the
    first batch for each place in it, kept outside the state dict. Keeping every key is the one
    choice that favours no position and gives the same labels at each run.

    Scores are computed for some queries at a time. Softmax runs over keys, so that this is exact,
    and the largest grid needs 64 MiB of scores instead of 1 GiB.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.query = nn.Linear(channels, channels)
        self.key = nn.Linear(channels, channels)
        self.value = nn.Linear(channels, channels)
        self.norm = nn.LayerNorm(channels)
        self.scale = 1 / math.sqrt(channels)

    def forward(self, x: Tensor) -> Tensor:
        """As large as x, (B, C, H, W), with its content rearranged as in the published code."""
        batch, channels, height, width = x.shape
        tokens = x.flatten(2).transpose(1, 2)  # (B, N, C)
        key = self.key(tokens).transpose(1, 2)  # (B, C, N)
        value = self.value(tokens)
        queries = (self.query(tokens) * self.scale).split(_rows(height * width), dim=1)
        mixed = torch.cat([(some @ key).softmax(-1) @ value for some in queries], dim=1)
        attended: Tensor = self.norm(mixed + tokens)
        return attended.reshape(batch, channels, height, width)  # from (B, N, C): see the module


def _rows(tokens: int) -> int:
    """How many queries are taken at a time."""
    return max(1, SCORES_AT_ONCE // tokens)


class PublishedUNet(SegmentationNetwork):
    """The network: image (B, 3, H, W) in [0, 1] to non-negative logits (B, classes, H, W)."""

    def __init__(self, config: PublishedConfig) -> None:
        super().__init__()
        self.config = config
        self.stem = conv_pair(3, 64)
        self.down1, self.attention1 = Stage(64, 128), FullAttention(128)
        self.down2, self.attention2 = Stage(128, 256), FullAttention(256)
        self.down3, self.attention3 = Stage(256, 256), FullAttention(256)
        self.bottom1 = conv_pair(256, 512)
        self.bottom2 = conv_pair(512, 512)
        self.bottom3 = conv_pair(512, 256)
        self.up1, self.attention4 = Stage(512, 128, middle=256), FullAttention(128)
        self.up2, self.attention5 = Stage(256, 64, middle=128), FullAttention(64)
        self.up3, self.attention6 = Stage(128, 64, middle=64), FullAttention(64)
        self.norm = nn.LayerNorm([64, config.height, config.width])
        self.head = nn.Sequential(
            nn.Conv2d(64, config.classes, 1), nn.BatchNorm2d(config.classes), nn.ReLU()
        )

    @property
    def normalization(self) -> tuple[tuple[float, ...], tuple[float, ...]]:
        """The published scripts scale pixels to [0, 1], no more."""
        return (0.0,) * 3, (255.0,) * 3

    def forward(self, x: Tensor) -> Tensor:
        """Logits (B, classes, H, W) of x, (B, 3, H, W); about half of them are exactly zero."""
        grid1 = self.stem(x)  # (B, 64, H, W)
        grid2 = self.attention1(self.down1(F.max_pool2d(grid1, 2)))  # (B, 128, H/2, W/2)
        grid4 = self.attention2(self.down2(F.max_pool2d(grid2, 2)))  # (B, 256, H/4, W/4)
        grid8 = self.attention3(self.down3(F.max_pool2d(grid4, 2)))  # (B, 256, H/8, W/8)
        y = self.bottom3(self.bottom2(self.bottom1(grid8)))
        y = self.attention4(self.up1(_join(grid4, y)))  # (B, 128, H/4, W/4)
        y = self.attention5(self.up2(_join(grid2, y)))  # (B, 64, H/2, W/2)
        y = self.attention6(self.up3(_join(grid1, y)))  # (B, 64, H, W)
        logits: Tensor = self.head(self.norm(y))
        return logits


def _join(fine: Tensor, coarse: Tensor) -> Tensor:
    """The fine grid's channels, then those of the coarse grid at double size."""
    double = F.interpolate(coarse, scale_factor=2, mode="bilinear", align_corners=True)
    return torch.cat([fine, double], dim=1)


def build_published(config: PublishedConfig) -> PublishedUNet:
    """The published network with fresh weights."""
    return PublishedUNet(config)
