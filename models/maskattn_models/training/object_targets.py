"""What object heads learn, made on the device from the instances of an augmented batch.

Everything is a tensor operation of fixed shape, as a CUDA graph wants it: an instance is a slot,
and sums over its pixels are one `scatter_add`.

Source: Panoptic-DeepLab, arxiv.org/abs/1911.10194, section 3.1.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
import torch.nn.functional as F  # noqa: N812 - the name that PyTorch's own documents use
from torch import Tensor

from maskattn_edge.contract.classes import IGNORE
from maskattn_models.grouping import OFFSET_CELLS
from maskattn_models.network import HEAD_SCALE, NetworkConfig
from maskattn_models.training.batch import Batch
from maskattn_models.training.mix import PASTED

SLOTS = 2 * PASTED
"""Instance numbers that a batch may hold, 0 = none included."""

SIGMA = 1.0
"""Of the Gaussian around each centre, in cells: 8 pixels of Panoptic-DeepLab's 1025, rescaled."""

_REACH = 3  # cells: beyond three sigmas the Gaussian is below 0.02


class ObjectTargets(NamedTuple):
    """On the heads' grid, of (h, w) cells; all float32.

    Args:
        heat: (B, h, w), 1 at the cell of each object's centre, a Gaussian around it.
        known: (B, h, w), 0 where the heat is not known.
        offset: (B, 2, h, w), x then y, from a cell to its object's centre, in `OFFSET_CELLS`.
        inside: (B, h, w), 1 where a cell belongs to an object.
    """

    heat: Tensor
    known: Tensor
    offset: Tensor
    inside: Tensor


class ObjectTask:
    """Makes the targets of a network's batches, on its device."""

    def __init__(self, config: NetworkConfig, device: torch.device) -> None:
        self._thing = torch.zeros(256, 1, device=device)
        self._thing[list(config.things)] = 1.0

    def __call__(self, batch: Batch) -> ObjectTargets:
        """Targets of an augmented batch, which has instances."""
        assert batch.instances is not None
        return object_targets(batch.labels, batch.instances, self._thing, scale=HEAD_SCALE)


def cell_instances(batch: Batch, *, scale: int) -> Tensor:
    """Instance of each cell of an augmented batch, (B, H / scale, W / scale): its first pixel's."""
    assert batch.instances is not None
    return batch.instances[:, ::scale, ::scale]


def object_targets(
    labels: Tensor, instances: Tensor, thing: Tensor, *, scale: int
) -> ObjectTargets:
    """Targets of a batch.

    A centre is the mean of an object's visible pixels. Its cells are all that have a pixel of it;
    where objects meet, the one with the larger number has the cell. Things that belong to no
    object are a crowd: what their heat should be is not known.

    Args:
        labels: (B, H, W) uint8, 255 = ignored.
        instances: (B, H, W) of integers below `SLOTS`, 0 = no object.
        thing: (256, 1) float32, 1 at the classes that are things.
        scale: pixels on a cell's side; divides H and W.
    """
    batch, height, width = labels.shape
    slot = instances.long()
    x = _places(width, scale, labels.device).expand(batch, height, width)
    y = _places(height, scale, labels.device)[:, None].expand(batch, height, width)
    centre_x, centre_y, count = _centres(slot, x, y)
    rows, columns = height // scale, width // scale
    # A cell with any pixel of an object learns its offset: its pixels are told apart by it.
    cells = F.max_pool2d(slot[:, None].float(), scale).flatten(1).long()  # (B, N)
    across = centre_x.gather(1, cells) - torch.arange(columns, device=x.device).repeat(rows)
    down = centre_y.gather(1, cells) - torch.arange(rows, device=x.device).repeat_interleave(
        columns
    )
    inside = (cells > 0).float().view(batch, rows, columns)
    kind = labels[:, ::scale, ::scale].long()
    crowd = F.embedding(kind, thing).squeeze(3) * (1 - inside)
    return ObjectTargets(
        heat=_heat(centre_x, centre_y, count > 0, rows=rows, columns=columns),
        known=(kind != IGNORE).float() * (1 - crowd),
        offset=torch.stack([across, down], 1).view(batch, 2, rows, columns) / OFFSET_CELLS,
        inside=inside,
    )


def _places(pixels: int, scale: int, device: torch.device) -> Tensor:
    """Where pixels lie on a line of cells, in cells; a cell's centre is its number."""
    return (torch.arange(pixels, device=device) + 0.5) / scale - 0.5


def _centres(slot: Tensor, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Mean place and number of the pixels of each slot, (B, SLOTS) each; none in slot 0."""
    batch, flat = len(slot), slot.flatten(1)
    pixel = (slot > 0).float()

    def total(values: Tensor) -> Tensor:
        zeros = torch.zeros(batch, SLOTS, device=slot.device)
        return zeros.scatter_add(1, flat, (values * pixel).flatten(1))

    count = total(pixel)
    some = count.clamp(min=1)
    return total(x) / some, total(y) / some, count


def _heat(
    centre_x: Tensor, centre_y: Tensor, present: Tensor, *, rows: int, columns: int
) -> Tensor:
    """The largest of all objects' Gaussians in each cell, (B, rows, columns).

    A Gaussian is the product of one in x and one in y, so that the maximum over all objects is
    two passes over neighbours, however many objects there are.
    """
    x = centre_x.round().long().clamp(0, columns - 1)
    y = centre_y.round().long().clamp(0, rows - 1)
    marks = torch.zeros(len(x), rows * columns, device=x.device)
    marks = marks.scatter_reduce(1, y * columns + x, present.float(), "amax")
    return _blurred(_blurred(marks.view(-1, rows, columns), 2), 1)


def _blurred(marks: Tensor, dimension: int) -> Tensor:
    """Each cell takes the largest of its neighbours on a line, weighted by their distance."""
    size = marks.shape[dimension]
    padded = F.pad(marks, [_REACH, _REACH] if dimension == 2 else [0, 0, _REACH, _REACH])
    result = marks
    for distance in range(-_REACH, _REACH + 1):
        weight = math.exp(-(distance**2) / (2 * SIGMA**2))
        result = torch.maximum(result, weight * padded.narrow(dimension, _REACH + distance, size))
    return result
