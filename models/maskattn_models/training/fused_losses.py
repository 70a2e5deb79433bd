"""Losses of logits enlarged twice, on the GPU, without making the large logits.

With 133 classes the enlarged logits of a batch are the largest tensors of a training step, and
reading and writing them takes half of its time. Here each cell of the small grid makes again the
pixels it needs, in the forward and in the backward pass. No sum is atomic: equal inputs give equal
gradients.

Enlarging is `torch.nn.functional.interpolate(scale_factor=2, mode="bilinear")`: a pixel is 3/4 of
its own cell and 1/4 of the next one in either direction, and beyond the edge lies the edge's cell.
"""

# mypy: disable-error-code="no-untyped-def, no-untyped-call, untyped-decorator"

from __future__ import annotations

from typing import Any, NamedTuple

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
    logits, labels, weights, log_sums, losses, sums, height, width, classes,
    BLOCK: tl.constexpr, CELLS: tl.constexpr, OVERLAP: tl.constexpr,
):  # fmt: skip
    """Losses and logarithms of sums of exponentials of the own pixels of CELLS cells of a row.

    Where OVERLAP, also what they add to the three sums of each class.
    """
    k = tl.arange(0, BLOCK)
    program = tl.program_id(0)
    programs_of_row = tl.cdiv(width, CELLS)
    row = (program // programs_of_row) % height
    base = program // programs_of_row // height * height * width
    up, down = tl.maximum(row - 1, 0), tl.minimum(row + 1, height - 1)
    common, squares = tl.zeros((BLOCK,), tl.float32), tl.zeros((BLOCK,), tl.float32)
    counts = tl.zeros((BLOCK,), tl.float32)
    first = program % programs_of_row * CELLS
    for column in range(first, tl.minimum(first + CELLS, width)):
        west, east = tl.maximum(column - 1, 0), tl.minimum(column + 1, width - 1)
        n0, n1, n2 = _three(logits, base, up, west, column, east, width, classes, k)
        m0, m1, m2 = _three(logits, base, row, west, column, east, width, classes, k)
        s0, s1, s2 = _three(logits, base, down, west, column, east, width, classes, k)
        for x in tl.static_range(1, 3):
            north, here, south = _mix(x, n0, n1, n2), _mix(x, m0, m1, m2), _mix(x, s0, s1, s2)
            for y in tl.static_range(1, 3):
                z = _mix(y, north, here, south)
                top = tl.max(z, 0)
                powers = tl.exp(z - top)
                total = tl.sum(powers, 0)
                log_sum = top + tl.log(total)
                pixel = 2 * (2 * base + (2 * row + y - 1) * width + column).to(tl.int64) + x - 1
                label = tl.load(labels + pixel).to(tl.int32)
                valid = label != _IGNORE
                weight = tl.load(weights + label, mask=valid, other=0.0)
                chosen = tl.sum(tl.where(k == label, z, 0.0), 0)
                tl.store(log_sums + pixel, log_sum)
                tl.store(losses + pixel, tl.where(valid, weight * (log_sum - chosen), 0.0))
                if OVERLAP:
                    chance = powers / total
                    own = k == label  # no class has the number of what is ignored
                    common += tl.where(own, chance, 0.0)
                    squares += tl.where(valid, chance * chance, 0.0)
                    counts += tl.where(own, 1.0, 0.0)
    if OVERLAP:
        out = sums + program.to(tl.int64) * 3 * classes + k
        tl.store(out, common, mask=k < classes)
        tl.store(out + classes, squares, mask=k < classes)
        tl.store(out + 2 * classes, counts, mask=k < classes)


@triton.jit
def _backward(
    logits, labels, weights, log_sums, upstream, upstream_sums, gradient, height, width, classes,
    BLOCK: tl.constexpr, OVERLAP: tl.constexpr,
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
    if OVERLAP:
        of_common = tl.load(upstream_sums + k, mask=k < classes, other=0.0)
        of_squares = tl.load(upstream_sums + classes + k, mask=k < classes, other=0.0)
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
            own = k == label
            change = scale * weight * tl.where(own, chance - 1.0, chance)
            if OVERLAP:
                of_chance = tl.where(own, of_common, 0.0) + 2 * of_squares * chance
                change += chance * (of_chance - tl.sum(chance * of_chance, 0))
            # Not a product with zero: the chance of a pixel that is not there may be infinite.
            total += tl.where((share > 0) & (label != _IGNORE), share * change, 0.0)
    out = gradient + cell.to(tl.int64) * classes + k
    tl.store(out, total.to(gradient.dtype.element_ty), mask=k < classes)


_CELLS = 16
"""Of a row that one program of the forward pass sees: fewer are more sums to add up."""


class _EnlargedLosses(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, logits: Tensor, labels: Tensor, weights: Tensor, overlap: bool
    ) -> tuple[Tensor, Tensor]:
        batch, classes, height, width = logits.shape
        cells = logits.permute(0, 2, 3, 1).contiguous()  # (B, h, w, K), no copy of channels last
        labels = labels.contiguous()
        log_sums = torch.empty(labels.shape, dtype=torch.float32, device=logits.device)
        losses = torch.empty_like(log_sums)
        programs = batch * height * triton.cdiv(width, _CELLS)
        sums = log_sums.new_zeros((programs if overlap else 1, 3, classes))
        _forward[(programs,)](
            cells, labels, weights, log_sums, losses, sums, height, width, classes,
            BLOCK=_block(classes), CELLS=_CELLS, OVERLAP=overlap, num_warps=1,
        )  # fmt: skip
        ctx.save_for_backward(cells, labels, weights, log_sums)
        ctx.overlap = overlap
        return losses.sum(), sums.sum(0)

    @staticmethod
    def backward(ctx: Any, upstream: Tensor, upstream_sums: Tensor) -> tuple[Tensor | None, ...]:
        cells, labels, weights, log_sums = ctx.saved_tensors
        batch, height, width, classes = cells.shape
        gradient = torch.empty_like(cells)
        _backward[(batch * height * width,)](
            cells, labels, weights, log_sums, upstream.contiguous(), upstream_sums.contiguous(),
            gradient, height, width, classes,
            BLOCK=_block(classes), OVERLAP=ctx.overlap, num_warps=1,
        )  # fmt: skip
        return gradient.permute(0, 3, 1, 2), None, None, None


def _block(classes: int) -> int:
    return max(16, int(triton.next_power_of_2(classes)))


class EnlargedLosses(NamedTuple):
    """What a batch adds up to, all float32.

    `cross_entropy`, (), is weighted by the pixels' classes. The others, (K,), are what Dice is made
    of: the chance of the class at its own pixels, its square at all labelled ones, and its pixels.
    """

    cross_entropy: Tensor
    common: Tensor
    squares: Tensor
    counts: Tensor


def enlarged_losses(
    logits: Tensor, labels: Tensor, weights: Tensor, *, overlap: bool
) -> EnlargedLosses:
    """Sums over the labelled pixels of logits enlarged twice.

    Args:
        logits: (B, K, h, w) on a GPU, of any floating type; channels last are not copied.
        labels: (B, 2h, 2w) uint8, 255 = ignored, else below K.
        weights: (K,) float32 of the classes.
        overlap: whether all but the cross-entropy are wanted; without meaning if not.
    """
    total, sums = _EnlargedLosses.apply(logits, labels, weights, overlap)
    return EnlargedLosses(total, *sums.unbind(0))
