"""Checkpoints: written whole or not at all, read as from a stranger.

The layout and its limits are the contract `maskattn_edge.contract.checkpoint`. Checkpoints of the
published MaskAttn-UNet are read too: `maskattn_models.published`.
"""

from maskattn_models.checkpoint.checkpoint import Checkpoint, Samples
from maskattn_models.checkpoint.file import load_checkpoint, save_checkpoint
from maskattn_models.checkpoint.loaded import LoadedNetwork, load_network
from maskattn_models.checkpoint.samples import (
    calibration_images,
    held_out_images,
    held_out_segments,
    pack_samples,
)

__all__ = [
    "Checkpoint",
    "LoadedNetwork",
    "Samples",
    "calibration_images",
    "held_out_images",
    "held_out_segments",
    "load_checkpoint",
    "load_network",
    "pack_samples",
    "save_checkpoint",
]
