"""A plain U-Net of small widths: what mask attention has to beat, and a peer for speed.

Source: U-Net, arxiv.org/abs/1505.04597, with batch norm and padded convolutions.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F  # noqa: N812 - the name that PyTorch's own documents use
from torch import Tensor, nn

from maskattn_models.network import SegmentationNetwork, conv_bn_relu

WIDTHS = (16, 32, 64, 128, 128)
"""Channels on the grids 1, 1/2, 1/4, 1/8 and 1/16 of the input: 1.23 M parameters in all."""


class PlainUNet(SegmentationNetwork):
    """Normalised image (B, 3, H, W) to logits (B, classes, H, W); sides are multiples of 16."""

    def __init__(self, classes: int) -> None:
        super().__init__()
        inputs = (3, *WIDTHS[:-1])
        self.encode = nn.ModuleList(
            _pair(before, width) for before, width in zip(inputs, WIDTHS, strict=True)
        )
        coarse_to_fine = WIDTHS[::-1]
        self.decode = nn.ModuleList(
            _pair(coarse + fine, fine)
            for coarse, fine in zip(coarse_to_fine[:-1], coarse_to_fine[1:], strict=True)
        )
        self.head = nn.Conv2d(WIDTHS[0], classes, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Logits (B, classes, H, W) of x, (B, 3, H, W)."""
        y = self.encode[0](x)
        grids = [y]
        for pair in self.encode[1:]:
            y = pair(F.max_pool2d(y, 2))
            grids.append(y)
        for pair, fine in zip(self.decode, grids[-2::-1], strict=True):
            y = pair(torch.cat([fine, F.interpolate(y, scale_factor=2, mode="nearest")], dim=1))
        logits: Tensor = self.head(y)
        return logits


def _pair(inputs: int, outputs: int) -> nn.Sequential:
    return nn.Sequential(conv_bn_relu(inputs, outputs), conv_bn_relu(outputs, outputs))
