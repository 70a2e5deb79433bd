"""Objects out of a network's maps, in plain tensor operations of fixed shapes.

A centre heat map says where objects are, offsets say to which centre each cell belongs, the class
logits say what it is. Nothing loops and nothing depends on values, so that the grouping is part of
the ONNX graph and of the engine. Coordinates are shares of the grid and no number is infinite:
half precision can hold all of them.

Sources: Panoptic-DeepLab, arxiv.org/abs/1911.10194; peaks by max-pooling, arxiv.org/abs/1904.07850.
Panoptic-DeepLab's constants are for 1025x2049 pixels; these are for grids of about 64x64 cells.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import torch
import torch.nn.functional as F  # noqa: N812 - the name that PyTorch's own documents use
from torch import Tensor, nn

ROWS = 32
"""Objects that an image can have at most; the tables' length, K."""

MIN_CENTRE = 0.1
"""A peak of the heat map below this is no object."""

MIN_CELLS = 6
"""Objects of a smaller area are dropped: 24 pixels where a cell is 2x2."""

OFFSET_CELLS = 8.0
"""Cells in one unit of the network's offsets: values of about 1 suit every precision."""

PEAK_WINDOW = 9
"""Cells on a side of the square in which a centre is the highest."""

_VOTERS = 2  # cells on a side of a block that votes as one, which takes a quarter of the time
_NO_PEAK = -30.0  # a logit that no threshold passes, finite in fp16
_AREA_UNIT = 256.0  # cells: sums of one and of all of them are normal numbers in fp16
_TIE = 2e-6  # a logit's float32 tells this much apart up to 16
_NOWHERE = -4.0  # a share of the grid that is farther off than any two of its cells


class HeadMaps(NamedTuple):
    """What a network with object heads gives, on the heads' grid (B, ..., h, w).

    Args:
        logits: (B, C, h, w) of the classes.
        centre: (B, 1, h, w) logits of the heat map.
        offset: (B, 2, h, w), x then y, from a cell to its object's centre, in `OFFSET_CELLS`.
    """

    logits: Tensor
    centre: Tensor
    offset: Tensor


class Objects(NamedTuple):
    """Final answers, as a model file gives them; batched.

    Args:
        labels: (B, H, W) uint8, class of each pixel.
        instances: (B, H, W) uint8, 0 = none, else a row of the tables, from 1.
        instance_class: (B, K) uint8.
        instance_score: (B, K) float32, 0 = unused row.
        instance_box: (B, K, 4) int32, x0 y0 x1 y1 in pixels, the last two exclusive.
    """

    labels: Tensor
    instances: Tensor
    instance_class: Tensor
    instance_score: Tensor
    instance_box: Tensor


class Grouping(nn.Module):
    """From `HeadMaps` to `Objects`.

    The class of each pixel comes from the logits at the answer's size, as in a network that tells
    no objects apart: on the grid of the heads thin stuff and the outlines of objects are lost. A
    peak of the heat map is an object's centre. Each cell belongs to the centre that its offset
    points nearest to, with those of its pixels that have a thing class. The object has the thing
    class with the largest sum of probabilities over its pixels, blocks of 2x2 cells voting as one,
    and its pixels take that class. Its score is the centre's times the class's mean
    probability there. Where no centre is found, pixels of things keep their class and belong to no
    object.

    Args:
        classes: C.
        things: indices of the classes that are things.
        height: of the heads' grid, in cells.
        width: of the heads' grid, in cells.
        scale: pixels of the answer on a cell's side.
        min_centre: chance that a centre has at least.
        min_cells: area that an object has at least, in cells.
        peak_window: cells on a side of the square in which a centre is the highest, odd.
    """

    place: Tensor
    later: Tensor
    thing: Tensor
    row: Tensor
    corner: Tensor
    reach: Tensor

    def __init__(
        self,
        classes: int,
        things: Sequence[int],
        *,
        height: int,
        width: int,
        scale: int,
        min_centre: float = MIN_CENTRE,
        min_cells: int = MIN_CELLS,
        peak_window: int = PEAK_WINDOW,
    ) -> None:
        super().__init__()
        self.height, self.width, self.scale = height, width, scale
        self.min_logit = math.log(min_centre / (1 - min_centre))
        self.min_cells, self.peak_window = min_cells, peak_window
        self.block = _block(height, width, peak_window)
        side = max(height, width)
        down, across = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
        thing = torch.zeros(classes)
        thing[list(things)] = 1.0
        self._constant("place", torch.stack([across, down]) / side)  # (2, h, w)
        self._constant("later", (_TIE * torch.arange(height * width)).view(1, 1, height, width))
        self._constant("thing", thing)
        self._constant("row", torch.arange(ROWS).view(1, ROWS, 1))
        self._constant("corner", scale * torch.tensor([width, height, 0.0, 0.0]))
        self._constant("reach", _reach(scale * width, scale * height))
        self.unit = OFFSET_CELLS / side

    def _constant(self, name: str, value: Tensor) -> None:
        self.register_buffer(name, value, persistent=False)

    def forward(self, maps: HeadMaps) -> Objects:
        """Group a batch."""
        logits = maps.logits
        label = self._enlarged(logits, mode="bilinear").argmax(1)  # (B, H, W)
        on_thing = _looked_up(self.thing, label)  # (B, H, W) of 0 and 1
        peak, place = self._peaks(maps.centre)  # (B, K), (B, 2, K)
        found = peak > self.min_logit
        nearest = self._nearest(maps.offset, torch.where(found[:, None], place, _NOWHERE))
        share = F.avg_pool2d(on_thing[:, None], self.scale).flatten(2)  # (B, 1, N) of cells' pixels
        member = (nearest == self.row).to(logits.dtype) * share  # (B, K, N), N = h * w
        area = member.mean(2) * (self.height * self.width / _AREA_UNIT)  # (B, K)
        votes = self._votes(logits, member)  # (B, K, C)
        kind = votes.argmax(2)  # (B, K)
        large = area > (self.min_cells - 0.125) / _AREA_UNIT  # areas are multiples of a pixel
        used = (found & large).to(logits.dtype)
        score = used * peak.sigmoid() * votes.amax(2) / area.clamp(min=1 / _AREA_UNIT)
        table = torch.stack([used * (self.row.flatten() + 1), kind.to(used.dtype)], 1)  # (B, 2, K)
        both = table.gather(2, nearest.expand(-1, 2, -1)).view(-1, 2, self.height, self.width)
        both = self._enlarged(both, mode="nearest")
        number = both[:, 0] * on_thing  # (B, H, W)
        label = torch.where(number > 0, both[:, 1], label.to(number.dtype))
        # Casts come last: TensorRT has uint8 at a graph's ends only.
        return Objects(
            label.to(torch.uint8),
            number.to(torch.uint8),
            (used * kind).to(torch.uint8),
            score.float(),
            self._boxes(number, used),
        )

    def _votes(self, logits: Tensor, member: Tensor) -> Tensor:
        """Sum of the probabilities of each thing class over each object's area, (B, K, C)."""
        coarse = F.avg_pool2d(logits, _VOTERS).flatten(2).transpose(1, 2)  # (B, M, C)
        # Over the last axis: over another one ONNX Runtime takes twenty times as long.
        chances = coarse.softmax(2) * (_VOTERS * _VOTERS / _AREA_UNIT)
        part = member.view(-1, ROWS, self.height, self.width)
        return F.avg_pool2d(part, _VOTERS).flatten(2) @ chances * self.thing

    def _peaks(self, centre: Tensor) -> tuple[Tensor, Tensor]:
        """Logits (B, K) and places (B, 2, K) of the K highest peaks; `_NO_PEAK` after the last.

        Half precision makes neighbours equal, and both would be peaks: one object, told as two. So
        what comes later is a little higher, which takes float32, in half-precision files as well.
        Peaks lie so far apart that a block of cells has one at most: sorting blocks is cheaper.
        """
        window = self.peak_window
        centre = centre.float() + self.later
        is_peak = centre == F.max_pool2d(centre, window, stride=1, padding=window // 2)
        peaks = F.max_pool2d(torch.where(is_peak, centre, _NO_PEAK), self.block).flatten(1)
        places = F.max_pool2d(torch.where(is_peak, self.place, 0.0), self.block).flatten(2)
        peak, block = peaks.topk(ROWS)
        return peak, places.gather(2, block[:, None].expand(-1, 2, -1))

    def _nearest(self, offset: Tensor, place: Tensor) -> Tensor:
        """Row of the place (B, 2, K) that each cell points nearest to, (B, 1, N)."""
        # Offsets are flattened first: else OpenVINO rounds the unit into an fp16 layer's weights.
        aim = (self.place.flatten(1) + offset.flatten(2) * self.unit).clamp(0, 1)  # (B, 2, N)
        across = place[:, 0, :, None] - aim[:, :1]  # (B, K, N)
        down = place[:, 1, :, None] - aim[:, 1:]
        return (across * across + down * down).argmin(1, keepdim=True)

    def _enlarged(self, maps: Tensor, *, mode: str) -> Tensor:
        """(B, C, h, w) at the answer's size, (B, C, H, W)."""
        align = False if mode == "bilinear" else None
        return F.interpolate(maps, scale_factor=self.scale, mode=mode, align_corners=align)

    def _boxes(self, number: Tensor, used: Tensor) -> Tensor:
        """(B, K, 4) int32; zeros in unused rows."""
        inside = (number[:, None] == self.row[..., None] + 1).to(used.dtype)  # (B, K, H, W)
        lines = torch.cat([inside.amax(2), inside.amax(3)], 2)  # (B, K, W + H)
        reach = (lines[:, :, None] * self.reach).amax(3)  # (B, K, 4)
        return ((self.corner - reach).abs() * used[:, :, None]).to(torch.int32)


def _looked_up(table: Tensor, index: Tensor) -> Tensor:
    """table[index], of any shape, as the one ONNX operator that every engine has: Gather."""
    return F.embedding(index, table[:, None]).squeeze(-1)


def _block(height: int, width: int, peak_window: int) -> int:
    """Cells on a side of the largest blocks, K or more, that fill the grid and hold a peak at most.

    A peak is the only one of its window, and a block of half the side, rounded up, lies in there.
    """
    for side in range(peak_window // 2 + 1, 1, -1):
        fits = height % side == width % side == 0
        if fits and height * width >= ROWS * side * side:
            return side
    return 1


def _reach(width: int, height: int) -> Tensor:
    """How far each column and row reaches, in pixels: (4, W + H), columns first.

    To the left, up, to the right and down, from the opposite edge of the picture; zero where it
    does not count. The maxima over an object's columns and rows are the sides of its box.
    """
    across, down = torch.arange(1.0, width + 1), torch.arange(1.0, height + 1)
    reach = torch.zeros(4, width + height)
    reach[0, :width], reach[1, width:] = across.flip(0), down.flip(0)
    reach[2, :width], reach[3, width:] = across, down
    return reach
