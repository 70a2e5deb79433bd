"""Other ways to let few keys take part, and other places for mask attention: for comparison only.

None of them is exported; a checkpoint of one loads where `offer_variants` was called.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F  # noqa: N812 - the name that PyTorch's own documents use
from torch import Tensor, nn

from maskattn_models.network import VARIANTS, MaskAttention, MaskAttnUNet

KEPT = 4
"""Both variants keep one key in so many."""


def offer_variants() -> None:
    """Make the kinds of this module known to `NetworkConfig.attention`."""
    VARIANTS.update(
        pooled=_pooled,
        top_k=_top_k,
        masked_8=_masked_8,
        masked_16=_masked_16,
        masked_decoder=_masked_decoder,
    )


class FewKeys(nn.Module):
    """Self-attention like `MaskAttention`, in which a subclass makes the keys fewer."""

    def __init__(self, channels: int, *, head_channels: int) -> None:
        super().__init__()
        self.heads = max(1, channels // head_channels)
        self.head_channels = head_channels
        self.inner = self.heads * head_channels
        self.qkv = nn.Conv2d(channels, 3 * self.inner + 1, 1)
        self.project = nn.Conv2d(self.inner, channels, 1, bias=False)
        self.norm = nn.BatchNorm2d(channels)
        nn.init.zeros_(self.norm.weight)  # the block begins as the identity

    def forward(self, x: Tensor) -> Tensor:
        """Attend over x, (B, C, H, W), and add the result to it."""
        query, key, value, logit = self.qkv(x).split([self.inner] * 3 + [1], dim=1)
        key, value, bias = self.fewer(key, value, logit.float())
        query = self._heads(query) * (1 / math.sqrt(self.head_channels))
        scores = (query.transpose(2, 3) @ self._heads(key)).float()  # (B, h, N, K)
        attention = (scores + bias.flatten(2)[:, :, None]).softmax(-1)
        mixed = attention.to(value.dtype) @ self._heads(value).transpose(2, 3)  # (B, h, N, d)
        attended: Tensor = self.norm(self.project(mixed.transpose(2, 3).reshape(*_as(x, mixed))))
        return x + attended

    def fewer(self, key: Tensor, value: Tensor, logit: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Keys and values (B, I, ...) and the bias (B, 1, ...) of their scores.

        Args:
            key: (B, I, H, W).
            value: (B, I, H, W).
            logit: of the mask, (B, 1, H, W) float32.
        """
        raise NotImplementedError

    def _heads(self, x: Tensor) -> Tensor:
        """(B, h, d, positions) of (B, I, ...)."""
        return x.reshape(len(x), self.heads, self.head_channels, -1)


class PooledKeys(FewKeys):
    """Each cell of 2x2 keys becomes one: their mean, weighted by a soft mask.

    The log of the weights' sum on the scores makes this exact where the keys of a cell are alike.
    """

    def fewer(self, key: Tensor, value: Tensor, logit: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """See `FewKeys.fewer`."""
        mask = logit.sigmoid().clamp(min=1e-4)
        total = _cell_sum(mask)
        weighted = [_cell_sum(mask * part.float()) / total for part in (key, value)]
        return weighted[0].to(key.dtype), weighted[1].to(value.dtype), total.log()


class TopKeys(FewKeys):
    """The quarter of the keys with the largest logits, which are added to the scores.

    So gradients reach the logits of the kept keys without an estimator.
    """

    def fewer(self, key: Tensor, value: Tensor, logit: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """See `FewKeys.fewer`."""
        flat = logit.flatten(2)
        best, at = flat.topk(max(1, flat.shape[2] // KEPT), dim=2)  # (B, 1, K)
        at = at.expand(-1, self.inner, -1)
        return key.flatten(2).gather(2, at), value.flatten(2).gather(2, at), best


def _cell_sum(x: Tensor) -> Tensor:
    return F.avg_pool2d(x, 2, ceil_mode=True, divisor_override=1)


def _as(x: Tensor, mixed: Tensor) -> torch.Size:
    """Shape of `mixed`, (B, h, N, d), on the grid of `x`: (B, h * d, H, W)."""
    return torch.Size((len(x), mixed.shape[1] * mixed.shape[3], *x.shape[2:]))


def _channels(network: MaskAttnUNet) -> tuple[int, int, int]:
    """Of the grids 1/8 and 1/16 of the encoder, and of the decoder."""
    return (
        network.lateral3.in_channels,
        network.lateral4.in_channels,
        network.lateral3.out_channels,
    )


def _masked(network: MaskAttnUNet, channels: int) -> MaskAttention:
    return MaskAttention(channels, head_channels=network.config.head_channels, masked=True)


def _pooled(network: MaskAttnUNet) -> None:
    third, fourth, _ = _channels(network)
    network.attention3 = PooledKeys(third, head_channels=network.config.head_channels)
    network.attention4 = PooledKeys(fourth, head_channels=network.config.head_channels)


def _top_k(network: MaskAttnUNet) -> None:
    third, fourth, _ = _channels(network)
    network.attention3 = TopKeys(third, head_channels=network.config.head_channels)
    network.attention4 = TopKeys(fourth, head_channels=network.config.head_channels)


def _masked_8(network: MaskAttnUNet) -> None:
    network.attention3 = _masked(network, _channels(network)[0])


def _masked_16(network: MaskAttnUNet) -> None:
    network.attention4 = _masked(network, _channels(network)[1])


def _masked_decoder(network: MaskAttnUNet) -> None:
    _masked_8(network)
    _masked_16(network)
    network.decode3 = nn.Sequential(network.decode3, _masked(network, _channels(network)[2]))
