"""Batch normalisation folded into the convolutions before it: fewer layers, the same answers."""

from __future__ import annotations

import copy
from typing import TypeVar

from torch import nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from maskattn_models.network import MaskAttention

Network = TypeVar("Network", bound=nn.Module)


def fold_batch_norm(network: Network) -> Network:
    """A copy of `network`, in evaluation mode, without its batch normalisations."""
    folded = copy.deepcopy(network).eval()
    for module in folded.modules():
        if isinstance(module, nn.Sequential):
            _fold_pairs(module)
        elif isinstance(module, MaskAttention) and isinstance(module.norm, nn.BatchNorm2d):
            module.project = fuse_conv_bn_eval(module.project, module.norm)
            module.norm = nn.Identity()  # type: ignore[assignment]
    return folded


def _fold_pairs(layers: nn.Sequential) -> None:
    for index in range(len(layers) - 1):
        convolution, norm = layers[index], layers[index + 1]
        if isinstance(convolution, nn.Conv2d) and isinstance(norm, nn.BatchNorm2d):
            layers[index] = fuse_conv_bn_eval(convolution, norm)
            layers[index + 1] = nn.Identity()
