"""A checkpoint in memory."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from torch import Tensor

from maskattn_edge.contract.classes import ClassInfo
from maskattn_edge.contract.errors import CheckpointError
from maskattn_edge.contract.spec import InputSpec, Task
from maskattn_models.network import NetworkConfig, SegmentationNetwork
from maskattn_models.peers import build
from maskattn_models.published import PublishedConfig, build_published


@dataclass(frozen=True, kw_only=True)
class Samples:
    """Pictures of the network's size that travel with the weights, as bytes of PNG files.

    `calibration` images come from the training split; `held_out` pairs an image with its labels
    and was never trained on; `held_out_instances` are as many, where objects are told apart.
    """

    calibration: tuple[bytes, ...] = ()
    held_out: tuple[tuple[bytes, bytes], ...] = ()
    held_out_instances: tuple[bytes, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Checkpoint:
    """A checkpoint in memory; see `maskattn_edge.contract.checkpoint` for each part."""

    network: NetworkConfig | PublishedConfig
    weights: Mapping[str, Tensor]
    classes: tuple[ClassInfo, ...]
    input: InputSpec
    task: Task = "semantic"
    training: Mapping[str, Any] = field(default_factory=dict)
    metrics: Mapping[str, float] = field(default_factory=dict)
    history: Sequence[Mapping[str, float]] = ()
    samples: Samples = field(default_factory=Samples)
    resume: Mapping[str, Any] | None = None
    sha256: str = ""

    def build(self) -> SegmentationNetwork:
        """The network with these weights, in evaluation mode on the CPU.

        Raises:
            CheckpointError: the weights are not those of the configuration.
        """
        network: SegmentationNetwork
        if isinstance(self.network, PublishedConfig):
            network = build_published(self.network)
        else:
            network = build(self.network)
        try:
            network.load_state_dict(dict(self.weights))
        except RuntimeError as error:
            first = " ".join(str(error).split())[:200]
            raise CheckpointError(f"its weights do not fit its configuration: {first}") from error
        return network.eval()
