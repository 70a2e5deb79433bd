"""From a camera's frame to the network's input, and labels back to the frame.

Training, evaluation, export and the runtime all call `fit`, so that a network never sees a
picture at work that was scaled otherwise than in training.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeVar

import cv2
import numpy as np
from numpy.typing import NDArray

from maskattn_edge.area import shrink_by_area
from maskattn_edge.contract.errors import ContractError
from maskattn_edge.contract.spec import InputSpec

Resize = Literal["stretch", "letterbox"]

PAD = 114
"""Grey of the bars that a letterbox adds: near the mean of photographs."""


@dataclass(frozen=True, kw_only=True)
class Geometry:
    """Where a frame lies inside the network's input; sizes in pixels.

    The frame, `frame_height` x `frame_width`, fills the rectangle that starts at (`top`, `left`)
    and is `height` x `width` large.
    """

    frame_height: int
    frame_width: int
    top: int
    left: int
    height: int
    width: int


def geometry(
    frame_height: int, frame_width: int, *, height: int, width: int, resize: Resize
) -> Geometry:
    """Place a frame in an input of `height` x `width` pixels.

    `stretch` fills the input; `letterbox` keeps the aspect ratio and centres the frame.

    Raises:
        ContractError: a size is below one pixel, or `resize` is unknown.
    """
    if min(frame_height, frame_width, height, width) < 1:
        raise ContractError(
            f"a frame of {frame_height}x{frame_width} cannot fill {height}x{width} pixels"
        )
    if resize == "stretch":
        inner_height, inner_width = height, width
    elif resize == "letterbox":
        scale = min(height / frame_height, width / frame_width)
        inner_height = max(1, min(height, round(frame_height * scale)))
        inner_width = max(1, min(width, round(frame_width * scale)))
    else:
        raise ContractError(f"resize must be 'stretch' or 'letterbox', got {resize!r}")
    return Geometry(
        frame_height=frame_height,
        frame_width=frame_width,
        top=(height - inner_height) // 2,
        left=(width - inner_width) // 2,
        height=inner_height,
        width=inner_width,
    )


def scale_image(image: NDArray[np.uint8], height: int, width: int) -> NDArray[np.uint8]:
    """Scale (H, W, 3) or (H, W) uint8: by area when shrinking (no aliasing), bilinear otherwise."""
    if image.shape[:2] == (height, width):
        return image
    shrinks = height <= image.shape[0] and width <= image.shape[1]
    if shrinks and (shrunk := shrink_by_area(image, height, width)) is not None:
        return shrunk
    how = cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(image, (width, height), interpolation=how), dtype=np.uint8)


def fit(
    image: NDArray[np.uint8], *, height: int, width: int, resize: Resize
) -> tuple[NDArray[np.uint8], Geometry]:
    """Scale an image into the network's input; the colour order stays as it is.

    Args:
        image: (H, W, 3) uint8.

    Returns:
        (height, width, 3) uint8, and where the image lies in it.

    Raises:
        ContractError: `image` is not (H, W, 3) uint8.
    """
    if image.ndim != 3 or image.shape[2] != 3 or image.dtype != np.uint8:
        raise ContractError(
            f"an image is (H, W, 3) uint8, got shape {image.shape} of {image.dtype}"
        )
    place = geometry(*image.shape[:2], height=height, width=width, resize=resize)
    scaled = scale_image(image, place.height, place.width)
    if (place.height, place.width) == (height, width):
        return scaled, place
    canvas = np.full((height, width, 3), PAD, np.uint8)
    canvas[place.top : place.top + place.height, place.left : place.left + place.width] = scaled
    return canvas, place


def network_input(
    image_bgr: NDArray[np.uint8], size: InputSpec
) -> tuple[NDArray[np.uint8], Geometry]:
    """A camera's frame as a network takes it.

    Args:
        image_bgr: (H, W, 3) uint8.
        size: of the network's input, and how a frame is brought to it.

    Returns:
        (1, height, width, 3) uint8 RGB, and where the frame lies in it.

    Raises:
        ContractError: as `fit`.
    """
    grid, place = fit(image_bgr, height=size.height, width=size.width, resize=size.resize)
    image_rgb = np.asarray(cv2.cvtColor(grid, cv2.COLOR_BGR2RGB), np.uint8)
    return image_rgb[np.newaxis], place


Numbers = TypeVar("Numbers", np.uint8, np.uint16)
"""Classes, or numbers of segments."""


def fit_labels(
    labels: NDArray[Numbers], *, height: int, width: int, resize: Resize, outside: int
) -> NDArray[Numbers]:
    """Scale a label map into the network's grid: each cell takes the label with the largest area.

    Args:
        labels: (H, W) uint8 classes, or uint16 numbers of segments.
        outside: label of a letterbox's bars.

    Returns:
        (height, width), of the dtype of `labels`.

    Raises:
        ContractError: `labels` is not (H, W) uint8 or uint16.
    """
    if labels.ndim != 2 or labels.dtype not in (np.uint8, np.uint16):
        raise ContractError(
            f"labels are (H, W) uint8 or uint16, got shape {labels.shape} of {labels.dtype}"
        )
    place = geometry(*labels.shape, height=height, width=width, resize=resize)
    grid = np.full((height, width), outside, labels.dtype)
    grid[place.top : place.top + place.height, place.left : place.left + place.width] = _majority(
        labels, place.height, place.width
    )
    return grid


def _majority(labels: NDArray[Numbers], height: int, width: int) -> NDArray[Numbers]:
    """Label with the largest share of each cell's area, (height, width)."""
    if labels.shape == (height, width):
        return labels
    if height > labels.shape[0] or width > labels.shape[1]:
        return nearest(labels, height, width)
    present = np.flatnonzero(np.bincount(labels.ravel()))
    if len(present) == 1:
        return np.full((height, width), present[0], labels.dtype)
    best = np.full((height, width), -1.0, np.float32)
    winner = np.zeros((height, width), labels.dtype)
    for label in present:
        share = cv2.resize(
            (labels == label).astype(np.float32), (width, height), interpolation=cv2.INTER_AREA
        )
        ahead = share > best
        best[ahead] = share[ahead]
        winner[ahead] = label
    return winner


def nearest(labels: NDArray[Numbers], height: int, width: int) -> NDArray[Numbers]:
    """Scale a map of labels or segments, uint8 or uint16, by nearest neighbour, (height, width).

    Pixel centres are aligned.
    """
    if labels.shape == (height, width):
        return labels
    scaled = cv2.resize(labels, (width, height), interpolation=cv2.INTER_NEAREST_EXACT)
    return np.asarray(scaled, dtype=labels.dtype)


def unfit_labels(labels: NDArray[np.uint8], place: Geometry) -> NDArray[np.uint8]:
    """Bring labels of the network's grid back to the frame, (frame_height, frame_width) uint8."""
    inner = labels[place.top : place.top + place.height, place.left : place.left + place.width]
    return nearest(np.ascontiguousarray(inner), place.frame_height, place.frame_width)
