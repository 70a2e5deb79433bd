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
_FAR = 4.0  # more than any squared distance between points of the unit square


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

    x: Tensor
    y: Tensor
    later: Tensor
    thing: Tensor
    row: Tensor
    ascending_x: Tensor
    ascending_y: Tensor

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
        side = max(height, width)
        down, across = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
        thing = torch.zeros(classes)
        thing[list(things)] = 1.0
        self._constant("x", across.flatten() / side)  # (N,) each, N = height * width
        self._constant("y", down.flatten() / side)
        self._constant("later", (_TIE * torch.arange(height * width)).view(1, 1, height, width))
        self._constant("thing", thing)
        self._constant("row", torch.arange(ROWS).view(1, ROWS, 1))
        self._constant("ascending_x", torch.arange(1.0, scale * width + 1))
        self._constant("ascending_y", torch.arange(1.0, scale * height + 1))
        self.unit = OFFSET_CELLS / side

    def _constant(self, name: str, value: Tensor) -> None:
        self.register_buffer(name, value, persistent=False)

    def forward(self, maps: HeadMaps) -> Objects:
        """Group a batch."""
        logits = maps.logits
        label = self._enlarged(logits, mode="bilinear").argmax(1)  # (B, H, W)
        on_thing = _looked_up(self.thing, label)  # (B, H, W) of 0 and 1
        peak, place = self._peaks(maps.centre)  # (B, K) each
        nearest = self._nearest(maps.offset, peak, place)  # (B, N) rows
        share = F.avg_pool2d(on_thing[:, None], self.scale).flatten(1)  # (B, N) of a cell's pixels
        member = (nearest[:, None] == self.row).to(logits.dtype) * share[:, None]  # (B, K, N)
        area = member.mean(2) * (self.height * self.width / _AREA_UNIT)  # (B, K)
        votes = self._votes(logits, member)  # (B, K, C)
        kind = votes.argmax(2)  # (B, K)
        large = area > (self.min_cells - 0.125) / _AREA_UNIT  # areas are multiples of a pixel
        used = ((peak > self.min_logit) & large).to(logits.dtype)
        score = used * peak.sigmoid() * votes.amax(2) / area.clamp(min=1 / _AREA_UNIT)
        row = used * (self.row.flatten() + 1)
        both = torch.stack([row.gather(1, nearest), kind.to(row.dtype).gather(1, nearest)], 1)
        both = self._enlarged(both.view(-1, 2, self.height, self.width), mode="nearest")
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
        """Logit and cell of the K highest peaks, (B, K) each; of lower ones there may be fewer.

        Half precision makes neighbours equal, and both would be peaks: one object, told as two. So
        what comes later is a little higher, which takes float32, in half-precision files as well.
        """
        window = self.peak_window
        centre = centre.float() + self.later
        highest = F.max_pool2d(centre, window, stride=1, padding=window // 2)
        peaks = torch.where(centre == highest, centre, _NO_PEAK).flatten(1)
        peak, place = peaks.topk(ROWS)
        return peak, place

    def _nearest(self, offset: Tensor, peak: Tensor, place: Tensor) -> Tensor:
        """Row of the centre that each cell points nearest to, (B, N)."""
        aim = offset.flatten(2) * self.unit  # (B, 2, N)
        aim_x = (self.x + aim[:, 0]).clamp(0, 1)[:, None]
        aim_y = (self.y + aim[:, 1]).clamp(0, 1)[:, None]
        across = _looked_up(self.x, place)[:, :, None] - aim_x  # (B, K, N)
        down = _looked_up(self.y, place)[:, :, None] - aim_y
        absent = (peak <= self.min_logit).to(offset.dtype) * _FAR
        return (across * across + down * down + absent[:, :, None]).argmin(1)

    def _enlarged(self, maps: Tensor, *, mode: str) -> Tensor:
        """(B, C, h, w) at the answer's size, (B, C, H, W)."""
        align = False if mode == "bilinear" else None
        return F.interpolate(maps, scale_factor=self.scale, mode=mode, align_corners=align)

    def _boxes(self, number: Tensor, used: Tensor) -> Tensor:
        """(B, K, 4) int32; zeros in unused rows."""
        inside = (number[:, None] == self.row[..., None] + 1).to(used.dtype)  # (B, K, H, W)
        x0, x1 = _extent(inside.amax(2), self.ascending_x)
        y0, y1 = _extent(inside.amax(3), self.ascending_y)
        box = torch.stack([x0, y0, x1, y1], 2).to(used.dtype)
        return (box * used[:, :, None]).to(torch.int32)


def _looked_up(table: Tensor, index: Tensor) -> Tensor:
    """table[index], of any shape, as the one ONNX operator that every engine has: Gather."""
    return F.embedding(index, table[:, None]).squeeze(-1)


def _extent(line: Tensor, ascending: Tensor) -> tuple[Tensor, Tensor]:
    """First pixel that a line (..., L) of 0 and 1 marks, and the one after the last."""
    first = (line * (len(ascending) + 1 - ascending)).argmax(-1)
    last = (line * ascending).argmax(-1)
    return first, last + 1
