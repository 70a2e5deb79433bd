"""Which keys a network's mask attention keeps while it labels images."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from maskattn_models.network import Deployed, MaskAttention

KeyMasks = dict[str, NDArray[np.bool_]]
"""By the block's name: (N, h, w) on the block's own grid, true where a key is kept."""


class KeyTally:
    """The keys of the latest batch, and the share of all keys seen so far that were kept."""

    def __init__(self) -> None:
        self.latest: KeyMasks = {}
        self._kept: dict[str, int] = {}
        self._seen: dict[str, int] = {}

    def note(self, block: str, mask: NDArray[np.bool_]) -> None:
        """Take in a batch of one block, (N, h, w)."""
        self.latest[block] = mask
        self._kept[block] = self._kept.get(block, 0) + int(mask.sum())
        self._seen[block] = self._seen.get(block, 0) + mask.size

    @property
    def shares(self) -> dict[str, float]:
        """By the block's name, a fraction; empty as long as nothing was seen."""
        return {block: self._kept[block] / seen for block, seen in self._seen.items()}


@contextmanager
def watching_keys(network: nn.Module) -> Iterator[KeyTally]:
    """A tally of every image that passes `network` within the block; empty if it has no mask."""
    tally = KeyTally()

    def listener(name: str, block: MaskAttention) -> Callable[[nn.Module, tuple[Tensor]], None]:
        def listen(module: nn.Module, inputs: tuple[Tensor]) -> None:
            with torch.inference_mode():
                tally.note(name, block.key_mask(inputs[0]).cpu().numpy())

        return listen

    handles = [
        block.register_forward_pre_hook(listener(name.removeprefix("network."), block))
        for name, block in network.named_modules()
        if isinstance(block, MaskAttention) and block.masked
    ]
    try:
        yield tally
    finally:
        for handle in handles:
            handle.remove()


@torch.inference_mode()
def key_masks(deployed: Deployed, images: NDArray[np.uint8]) -> KeyMasks:
    """Keys that each masked block keeps of images, (N, H, W, 3) uint8 RGB."""
    with watching_keys(deployed) as tally:
        deployed(torch.from_numpy(images).to(deployed.mean.device))
    return tally.latest


def key_shares(masks: KeyMasks) -> dict[str, float]:
    """Share of the keys that each block keeps, a fraction."""
    return {block: float(mask.mean()) for block, mask in masks.items()}
