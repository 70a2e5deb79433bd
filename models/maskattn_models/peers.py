"""Other architectures in the network's place, trained and exported by the same code."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import cast

from maskattn_models.network import PEERS, NetworkConfig, SegmentationNetwork, build_network

_CLASSES = {
    "plain-unet": ("maskattn_models.plain_unet", "PlainUNet"),
    "segformer-b0": ("maskattn_models.segformer", "SegFormerB0"),
}
assert set(_CLASSES) == set(PEERS)


def build(config: NetworkConfig) -> SegmentationNetwork:
    """The network of a configuration with fresh weights, a peer where it names one.

    Raises:
        ContractError: the configuration is not one.
        MissingDependencyError: the peer's package is not installed.
    """
    peer = getattr(config, "peer", None)
    if peer is None:
        return build_network(config)
    module, name = _CLASSES[peer]
    create = getattr(importlib.import_module(module), name)
    return cast(Callable[[int], SegmentationNetwork], create)(config.classes)
