"""Segments on the network's grid, and back in the frame."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from maskattn_edge.preprocess import Geometry, Resize, geometry, nearest
from maskattn_edge.segments import VOID, Segments

_TABLE = 1 << 22
"""Entries of the table of areas: a picture with more is taken in strips."""


def fit_segments(segments: Segments, *, height: int, width: int, resize: Resize) -> Segments:
    """Scale segments into the network's grid: each cell takes the segment with the largest area.

    `preprocess.fit_labels` does the same for labels. Of equal areas the segment with the smaller
    number wins, void last. Tables stay as they are: a segment that wins no cell is listed, but
    has no pixel. Bars of a letterbox are void.

    Raises:
        ContractError: a size is below one pixel.
    """
    place = geometry(*segments.map.shape, height=height, width=width, resize=resize)
    grid = np.full((height, width), VOID, np.uint16)
    grid[place.top : place.top + place.height, place.left : place.left + place.width] = _majority(
        segments.map, len(segments), place.height, place.width
    )
    return replace(segments, map=grid)


def unfit_segments(segments: Segments, place: Geometry) -> Segments:
    """Bring segments of the network's grid back to the frame, by nearest neighbour."""
    inner = segments.map[
        place.top : place.top + place.height, place.left : place.left + place.width
    ]
    return replace(
        segments,
        map=nearest(np.ascontiguousarray(inner), place.frame_height, place.frame_width),
    )


def _majority(
    segment_map: NDArray[np.uint16], segments: int, height: int, width: int
) -> NDArray[np.uint16]:
    """Segment with the largest share of each cell's area, (height, width) uint16."""
    if segment_map.shape == (height, width):
        return segment_map
    if height > segment_map.shape[0] or width > segment_map.shape[1]:
        return nearest(segment_map, height, width)
    columns = segments + 1
    # Void goes to the last column, for argmax takes the first of equal areas.
    column = np.roll(np.arange(columns), 1)[segment_map]
    grid = np.empty((height, width), np.uint16)
    strip = max(1, _TABLE // (width * columns))
    for top in range(0, height, strip):
        rows = min(strip, height - top)
        areas = _areas(column, columns, top=top, rows=rows, height=height, width=width)
        grid[top : top + rows] = (areas.argmax(axis=-1) + 1) % columns
    return grid


def _areas(
    column: NDArray[np.int64], columns: int, *, top: int, rows: int, height: int, width: int
) -> NDArray[np.float64]:
    """Area of each segment in each cell of a strip of the grid, (rows, width, columns).

    A pixel lies in one or two rows of cells, and in one or two columns of them; its shares of each
    are whole numbers in units of 1 / (height x width) pixel, so that equal areas are equal.
    """
    high, wide = column.shape
    first, last = top * high // height, -(-(top + rows) * high // height)
    cells_y, shares_y = _overlaps(high, height)
    cells_x, shares_x = _overlaps(wide, width)
    areas = np.zeros(rows * width * columns)
    for cell_y, share_y in zip(cells_y[:, first:last] - top, shares_y[:, first:last], strict=True):
        inside = np.flatnonzero((cell_y >= 0) & (cell_y < rows) & (share_y > 0))
        for cell_x, share_x in zip(cells_x, shares_x, strict=True):
            across = np.flatnonzero(share_x)
            cell = cell_y[inside, np.newaxis] * width + cell_x[across]
            keys = column[first + inside[:, np.newaxis], across] + cell * columns
            weights = share_y[inside, np.newaxis] * share_x[across].astype(np.float64)
            areas += np.bincount(keys.ravel(), weights.ravel(), minlength=areas.size)
    return areas.reshape(rows, width, columns)


def _overlaps(pixels: int, cells: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The two cells that each pixel of a line may lie in, and its share of each, both (2, pixels).

    Shares are in units of 1 / cells pixel; the second is 0 where a pixel lies in one cell alone.
    """
    start = np.arange(pixels, dtype=np.int64) * cells
    cell = start // pixels
    share = np.minimum(cells, (cell + 1) * pixels - start)
    return np.stack([cell, np.minimum(cell + 1, cells - 1)]), np.stack([share, cells - share])
