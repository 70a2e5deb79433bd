"""A checkpoint's network at work in PyTorch, on the CPU."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from maskattn_edge.contract.classes import ClassInfo
from maskattn_edge.contract.errors import CheckpointError
from maskattn_edge.contract.spec import InputSpec, ModelSpec, PrecisionSpec
from maskattn_edge.segmentation import Segmentation
from maskattn_models.answers import answers
from maskattn_models.checkpoint.checkpoint import Checkpoint
from maskattn_models.checkpoint.file import load_checkpoint
from maskattn_models.network import Deployed


@dataclass(frozen=True)
class LoadedNetwork:
    """A checkpoint's network, ready to label images on the CPU."""

    checkpoint: Checkpoint
    module: Deployed

    @property
    def classes(self) -> tuple[ClassInfo, ...]:
        """Classes of the labels."""
        return self.checkpoint.classes

    @property
    def input(self) -> InputSpec:
        """Size of the images, and how a frame is brought to it."""
        return self.checkpoint.input

    def predict(self, image_nhwc: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Labels (B, H, W) uint8 of images, (B, H, W, 3) uint8 RGB."""
        return np.stack([answer.labels for answer in answers(self.module, image_nhwc)])

    def segment(self, image_nhwc: NDArray[np.uint8]) -> Segmentation:
        """The whole answer for one image, (1, H, W, 3) uint8 RGB, as an engine gives it."""
        answer = answers(self.module, image_nhwc)[0]
        spec = ModelSpec(
            name="",
            task=self.checkpoint.task,
            classes=self.classes,
            input=self.input,
            precision=PrecisionSpec(name="fp32"),
        )
        return Segmentation(labels=answer.labels, spec=spec, instances=answer.instances)


def load_network(path: Path) -> LoadedNetwork:
    """The network of a checkpoint, as deployed: uint8 images in, labels out.

    Raises:
        CheckpointError: as `load_checkpoint`, or the weights do not fit the configuration.
    """
    checkpoint = load_checkpoint(path)
    try:
        return LoadedNetwork(checkpoint, Deployed(checkpoint.build()).eval())
    except CheckpointError as error:
        raise CheckpointError(f"{path}: {error}") from error
