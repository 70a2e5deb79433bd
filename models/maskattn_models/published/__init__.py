"""The published MaskAttn-UNet: its architecture, and how its checkpoints are recognised."""

from maskattn_models.published.names import published_classes
from maskattn_models.published.network import PublishedConfig, PublishedUNet, build_published
from maskattn_models.published.state_dict import (
    PublishedWeights,
    published_shapes,
    read_published,
)

__all__ = [
    "PublishedConfig",
    "PublishedUNet",
    "PublishedWeights",
    "build_published",
    "published_classes",
    "published_shapes",
    "read_published",
]
