"""Cross-entropy of logits enlarged twice, on the GPU, without making the large logits.

With 133 classes the enlarged logits of a batch are the largest tensors of a training step, and
reading and writing them takes half of its time. Here each cell of the small grid makes again the
pixels it needs, in the forward and in the backward pass. No sum is atomic: equal inputs give equal
gradients.

Enlarging is `torch.nn.functional.interpolate(scale_factor=2, mode="bilinear")`: a pixel is 3/4 of
its own cell and 1/4 of the next one in either direction, and beyond the edge lies the edge's cell.
"""

# mypy: disable-error-code="no-untyped-def, no-untyped-call, untyped-decorator"

from __future__ import annotations

from typing import Any

import torch
import triton
import triton.language as tl
from torch import Tensor

from maskattn_edge.contract.classes import IGNORE

_IGNORE = tl.constexpr(IGNORE)


@triton.jit
def _cell(logits, base, row, column, width, classes, k):
    """Logits of one cell, (BLOCK,) float32; -inf beyond the last class."""
    offset = (base + row * width + column).to(tl.int64) * classes
    return tl.load(logits + offset + k, mask=k < classes, other=float("-inf")).to(tl.float32)


@triton.jit
def _three(logits, base, row, before, column, after, width, classes, k):
    """Logits of three cells of a row."""
    return (
        _cell(logits, base, row, before, width, classes, k),
        _cell(logits, base, row, column, width, classes, k),
        _cell(logits, base, row, after, width, classes, k),
    )


@triton.jit
def _mix(place: tl.constexpr, before, here, after):
    """Of the four pixels that a cell has a share in along one axis, its own being 1 and 2."""
    if place == 0:
        mixed = 0.75 * before + 0.25 * here
    elif place == 1:
        mixed = 0.75 * here + 0.25 * before
    elif place == 2:
        mixed = 0.75 * here + 0.25 * after
    else:
        mixed = 0.75 * after + 0.25 * here
    return mixed


@triton.jit
def _share(place: tl.constexpr, index, count):
    """The share that the cell `index` of `count` has in its pixel `place`; 0 if there is none."""
    if place == 0:
        share = tl.where(index > 0, 0.25, 0.0)
    elif place == 1:
        share = tl.where(index > 0, 0.75, 1.0)
    elif place == 2:
        share = tl.where(index < count - 1, 0.75, 1.0)
    else:
        share = tl.where(index < count - 1, 0.25, 0.0)
    return share


@triton.jit
def _forward(
    logits, labels, weights, log_sums, losses, height, width, classes, BLOCK: tl.constexpr
):
    """Loss and logarithm of the sum of exponentials of a cell's own four pixels."""
    cell = tl.program_id(0)
    column, row = cell % width, (cell // width) % height
    base = cell - row * width - column
    k = tl.arange(0, BLOCK)
    west, east = tl.maximum(column - 1, 0), tl.minimum(column + 1, width - 1)
    up, down = tl.maximum(row - 1, 0), tl.minimum(row + 1, height - 1)
    n0, n1, n2 = _three(logits, base, up, west, column, east, width, classes, k)
    m0, m1, m2 = _three(logits, base, row, west, column, east, width, classes, k)
    s0, s1, s2 = _three(logits, base, down, west, column, east, width, classes, k)
    for x in tl.static_range(1, 3):
        north, here, south = _mix(x, n0, n1, n2), _mix(x, m0, m1, m2), _mix(x, s0, s1, s2)
        for y in tl.static_range(1, 3):
            z = _mix(y, north, here, south)
            top = tl.max(z, 0)
            log_sum = top + tl.log(tl.sum(tl.exp(z - top), 0))
            pixel = 2 * (2 * base + (2 * row + y - 1) * width + column).to(tl.int64) + x - 1
            label = tl.load(labels + pixel).to(tl.int32)
            weight = tl.load(weights + label, mask=label != _IGNORE, other=0.0)
            chosen = tl.sum(tl.where(k == label, z, 0.0), 0)
            tl.store(log_sums + pixel, log_sum)
            tl.store(losses + pixel, tl.where(label != _IGNORE, weight * (log_sum - chosen), 0.0))


@triton.jit
def _backward(
    logits, labels, weights, log_sums, upstream, gradient, height, width, classes,
    BLOCK: tl.constexpr,
):  # fmt: skip
    """Gradient of a cell's logits, from the sixteen pixels that it has a share in."""
    cell = tl.program_id(0)
    column, row = cell % width, (cell // width) % height
    base = cell - row * width - column
    k = tl.arange(0, BLOCK)
    west, east = tl.maximum(column - 1, 0), tl.minimum(column + 1, width - 1)
    up, down = tl.maximum(row - 1, 0), tl.minimum(row + 1, height - 1)
    n0, n1, n2 = _three(logits, base, up, west, column, east, width, classes, k)
    m0, m1, m2 = _three(logits, base, row, west, column, east, width, classes, k)
    s0, s1, s2 = _three(logits, base, down, west, column, east, width, classes, k)
    scale = tl.load(upstream)
    total = tl.zeros((BLOCK,), tl.float32)
    for x in tl.static_range(4):
        north, here, south = _mix(x, n0, n1, n2), _mix(x, m0, m1, m2), _mix(x, s0, s1, s2)
        for y in tl.static_range(4):
            share = _share(x, column, width) * _share(y, row, height)
            pixel = 2 * (2 * base + (2 * row + y - 1) * width + column).to(tl.int64) + x - 1
            label = tl.load(labels + pixel, mask=share > 0, other=_IGNORE).to(tl.int32)
            weight = tl.load(weights + label, mask=label != _IGNORE, other=0.0)
            log_sum = tl.load(log_sums + pixel, mask=share > 0, other=0.0)
            chance = tl.exp(_mix(y, north, here, south) - log_sum)
            wrong = tl.where(k == label, chance - 1.0, chance)
            # Not a product with zero: the chance of a pixel that is not there may be infinite.
            total += tl.where(weight * share > 0, scale * weight * share * wrong, 0.0)
    out = gradient + cell.to(tl.int64) * classes + k
    tl.store(out, total.to(gradient.dtype.element_ty), mask=k < classes)


class _EnlargedCrossEntropy(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, logits: Tensor, labels: Tensor, weights: Tensor) -> Tensor:
        batch, classes, height, width = logits.shape
        cells = logits.permute(0, 2, 3, 1).contiguous()  # (B, h, w, K), no copy of channels last
        labels = labels.contiguous()
        log_sums = torch.empty(labels.shape, dtype=torch.float32, device=logits.device)
        losses = torch.empty_like(log_sums)
        block = max(16, triton.next_power_of_2(classes))
        _forward[(batch * height * width,)](
            cells, labels, weights, log_sums, losses, height, width, classes, block, num_warps=1
        )
        ctx.save_for_backward(cells, labels, weights, log_sums)
        return losses.sum()

    @staticmethod
    def backward(ctx: Any, upstream: Tensor) -> tuple[Tensor, None, None]:
        cells, labels, weights, log_sums = ctx.saved_tensors
        batch, height, width, classes = cells.shape
        gradient = torch.empty_like(cells)
        block = max(16, triton.next_power_of_2(classes))
        _backward[(batch * height * width,)](
            cells, labels, weights, log_sums, upstream.float().contiguous(), gradient,
            height, width, classes, block, num_warps=1,
        )  # fmt: skip
        return gradient.permute(0, 3, 1, 2), None, None


def enlarged_cross_entropy_sum(logits: Tensor, labels: Tensor, weights: Tensor) -> Tensor:
    """Weighted sum over the labelled pixels of the cross-entropy of logits enlarged twice.

    Args:
        logits: (B, K, h, w) on a GPU, of any floating type; channels last are not copied.
        labels: (B, 2h, 2w) uint8, 255 = ignored, else below K.
        weights: (K,) float32 of the classes.

    Returns:
        () float32.
    """
    total: Tensor = _EnlargedCrossEntropy.apply(logits, labels, weights)
    return total
