"""SegFormer-B0, the usual small transformer for segmentation: a peer for speed and accuracy.

The network itself is Hugging Face's; it starts from random weights, as MaskAttn-UNet does.

Source: SegFormer, arxiv.org/abs/2105.15203; the configuration's defaults are its B0.
"""

from __future__ import annotations

from typing import Any

import torch.nn.functional as F  # noqa: N812 - the name that PyTorch's own documents use
from torch import Tensor

from maskattn_edge.optional import require
from maskattn_models.network import SegmentationNetwork


class SegFormerB0(SegmentationNetwork):
    """Normalised image (B, 3, H, W) to logits (B, classes, H, W); sides are multiples of 32.

    Logits are made on the grid 1/4 and enlarged, as its authors do before they take the labels.

    Raises:
        MissingDependencyError: transformers is not installed.
    """

    def __init__(self, classes: int) -> None:
        super().__init__()
        transformers: Any = require("transformers", purpose="SegFormer-B0", extra="peers")
        config = transformers.SegformerConfig(num_labels=classes)
        self.segformer = transformers.SegformerForSemanticSegmentation(config)

    def forward(self, x: Tensor) -> Tensor:
        """Logits (B, classes, H, W) of x, (B, 3, H, W)."""
        coarse = self.segformer(pixel_values=x, return_dict=True).logits
        return F.interpolate(coarse, size=x.shape[2:], mode="bilinear", align_corners=False)
