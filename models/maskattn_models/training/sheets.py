"""`predictions.png` and `masks.png`: what the best weights answer, and which keys they keep."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from maskattn_edge.contract.classes import ClassInfo
from maskattn_edge.preprocess import nearest, scale_image
from maskattn_models.data import GridStore, spread
from maskattn_models.evaluation.pictures import prediction_sheet, write_sheet
from maskattn_models.network import Deployed, MaskAttention, MaskAttnUNet
from maskattn_models.training.validation import predict

_SHOWN = 8
_TILE, _MARGIN, _HEADING = 240, 12, 30
_INK = (40, 40, 40)
_DARK = 0.22
"""Brightness of a cell whose key is masked out."""


def write_sheets(
    folder: Path, network: MaskAttnUNet, store: GridStore, classes: Sequence[ClassInfo]
) -> None:
    """Write both sheets of samples spread over `store`; `network` is on the CPU.

    Raises:
        SinkError: a file cannot be written.
    """
    chosen = spread(range(len(store)), _SHOWN)
    images, truths = store.images[chosen], store.labels[chosen]
    deployed = Deployed(network).eval()
    predictions = predict(deployed, images, torch.device("cpu"))
    sheet = prediction_sheet(list(images), list(truths), list(predictions), classes)
    write_sheet(folder / "predictions.png", sheet)
    if kept := kept_keys(deployed, images):
        write_sheet(folder / "masks.png", mask_sheet(images, kept))


@torch.inference_mode()
def kept_keys(deployed: Deployed, images: NDArray[np.uint8]) -> dict[str, NDArray[np.bool_]]:
    """Which keys each masked attention keeps, by the block's name: (N, h, w) on its own grid.

    Args:
        deployed: a network on the CPU.
        images: (N, H, W, 3) uint8 RGB.
    """
    kept: dict[str, NDArray[np.bool_]] = {}

    def listen(name: str, block: MaskAttention) -> Any:  # noqa: ANN401 - a handle of PyTorch's
        def hook(module: nn.Module, inputs: tuple[Tensor, ...]) -> None:
            kept[name] = block.key_mask(inputs[0]).numpy()

        return block.register_forward_pre_hook(hook)

    handles = [
        listen(name, block)
        for name, block in deployed.network.named_modules()
        if isinstance(block, MaskAttention) and block.masked
    ]
    try:
        deployed(torch.from_numpy(images))
    finally:
        for handle in handles:
            handle.remove()
    return kept


def mask_sheet(images: NDArray[np.uint8], kept: dict[str, NDArray[np.bool_]]) -> NDArray[np.uint8]:
    """Two samples a row, each with a tile per block in which masked-out cells are dark.

    Args:
        images: (N, H, W, 3) uint8 RGB.
        kept: (N, h, w) by the block's name.

    Returns:
        (H, W, 3) uint8 BGR.
    """
    samples = [
        _sample(image, [mask[index] for mask in kept.values()])
        for index, image in enumerate(images)
    ]
    headings = _headings(["image", *(_title(name, mask) for name, mask in kept.items())])
    if len(samples) == 1:
        return np.concatenate([headings, samples[0]])
    if len(samples) % 2:
        samples.append(np.full_like(samples[0], 255))
    rows = [np.hstack(pair) for pair in zip(samples[::2], samples[1::2], strict=True)]
    return np.concatenate([np.hstack([headings, headings]), *rows])


def _title(name: str, mask: NDArray[np.bool_]) -> str:
    return f"{name}, {mask.shape[1]}x{mask.shape[2]}: {100 * mask.mean():.1f} % kept"


def _sample(image_rgb: NDArray[np.uint8], masks: list[NDArray[np.bool_]]) -> NDArray[np.uint8]:
    scale = _TILE / max(image_rgb.shape[:2])
    height, width = (max(1, round(side * scale)) for side in image_rgb.shape[:2])
    tile = np.ascontiguousarray(scale_image(image_rgb, height, width)[..., ::-1])
    row = np.full((height + _MARGIN, (1 + len(masks)) * (_TILE + _MARGIN) + _MARGIN, 3), 255)
    row = row.astype(np.uint8)
    for column, mask in enumerate([None, *masks]):
        left = _MARGIN + column * (_TILE + _MARGIN) + (_TILE - width) // 2
        row[:height, left : left + width] = tile if mask is None else _darkened(tile, mask)
    return row


def _darkened(tile: NDArray[np.uint8], mask: NDArray[np.bool_]) -> NDArray[np.uint8]:
    kept = nearest(mask.astype(np.uint8), *tile.shape[:2]).astype(bool)
    return np.where(kept[..., None], tile, (tile * _DARK).astype(np.uint8))


def _headings(texts: list[str]) -> NDArray[np.uint8]:
    strip = np.full((_HEADING, len(texts) * (_TILE + _MARGIN) + _MARGIN, 3), 255, np.uint8)
    for column, text in enumerate(texts):
        place = (_MARGIN + column * (_TILE + _MARGIN), _HEADING - 10)
        cv2.putText(strip, text, place, cv2.FONT_HERSHEY_SIMPLEX, 0.45, _INK, 1, cv2.LINE_AA)
    return strip
