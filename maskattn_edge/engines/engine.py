"""The interface of every back end: an image of the network's size in, a `Segmentation` out."""

from __future__ import annotations

from abc import ABC, abstractmethod

import numpy as np
from numpy.typing import NDArray

from maskattn_edge.closing import Closing
from maskattn_edge.contract.errors import ContractError, EngineError
from maskattn_edge.contract.model_file import ModelFile
from maskattn_edge.contract.spec import ModelSpec
from maskattn_edge.segmentation import Instances, Segmentation


class Engine(Closing, ABC):
    """A loaded model on one device. One thread opens, uses and closes it.

    Back ends implement `_run` and, where they hold memory, `close`.
    """

    name: str
    """Of the back end, as `--engine` takes it."""

    def __init__(self, file: ModelFile) -> None:
        self.file = file
        self._image_shape = (1, file.spec.input.height, file.spec.input.width, 3)

    @property
    def spec(self) -> ModelSpec:
        """The description of the model."""
        return self.file.spec

    gpu_ms: float | None = None
    """The GPU's share of the last frame by its own clock, copies included; None where not told."""

    def measure_gpu(self) -> None:  # noqa: B027 - most back ends have no clock of their own
        """Fill `gpu_ms` from now on, which costs a little time; does nothing where not offered."""

    @property
    def activation_bytes(self) -> int | None:
        """Memory for what lies between the layers; None where the back end does not tell."""
        return None

    @property
    @abstractmethod
    def device(self) -> str:
        """Where it runs, for people: "CPU, 2 threads"."""

    def infer(self, image_nhwc: NDArray[np.uint8]) -> Segmentation:
        """Segment one image.

        Args:
            image_nhwc: (1, H, W, 3) uint8 RGB, already of the network's size.

        Returns:
            The labels on the network's grid, in arrays of their own.

        Raises:
            ContractError: the image has another shape or dtype.
            EngineError: the back end fails.
        """
        if image_nhwc.shape != self._image_shape or image_nhwc.dtype != np.uint8:
            raise ContractError(
                f"{self.file.path.name} takes {self._image_shape} uint8, got {image_nhwc.shape} "
                f"of {image_nhwc.dtype}"
            )
        return _segmentation(self._run(image_nhwc), self.file.spec)

    @abstractmethod
    def _run(self, image_nhwc: NDArray[np.uint8]) -> dict[str, NDArray[np.generic]]:
        """The graph's outputs by name, on the host."""

    def close(self) -> None:  # noqa: B027 - most back ends have nothing to give back
        """Give back what the engine holds. It cannot be used afterwards."""


def _segmentation(outputs: dict[str, NDArray[np.generic]], spec: ModelSpec) -> Segmentation:
    try:
        instances = None
        if "instances" in outputs:
            instances = Instances(
                map=outputs["instances"][0].astype(np.uint8, copy=False),
                label=outputs["instance_class"][0].astype(np.uint8, copy=False),
                score=outputs["instance_score"][0].astype(np.float32, copy=False),
                box=outputs["instance_box"][0].astype(np.int32, copy=False),
            )
        labels = outputs["labels"][0].astype(np.uint8, copy=False)
        return Segmentation(labels=labels, spec=spec, instances=instances)
    except (KeyError, ContractError) as error:
        raise EngineError(f"the model's answer breaks the contract: {error}") from error
