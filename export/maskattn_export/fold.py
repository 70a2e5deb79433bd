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
            _fold_runs(module)
        elif isinstance(module, MaskAttention) and isinstance(module.norm, nn.BatchNorm2d):
            module.project = fuse_conv_bn_eval(module.project, module.norm)
            module.norm = nn.Identity()  # type: ignore[assignment]
    return folded


def _fold_runs(layers: nn.Sequential) -> None:
    """Fold each run of batch norms into the convolution right before it."""
    last = None  # index of the convolution that the next layer follows
    for index, layer in enumerate(layers):
        if isinstance(layer, nn.Conv2d):
            last = index
        elif isinstance(layer, nn.BatchNorm2d) and last is not None:
            convolution = layers[last]
            assert isinstance(convolution, nn.Conv2d)
            layers[last] = fuse_conv_bn_eval(convolution, layer)
            layers[index] = nn.Identity()
        else:
            last = None
