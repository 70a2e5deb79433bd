"""What an exported file says of itself, from its checkpoint."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, version

import numpy as np
from numpy.typing import NDArray

from maskattn_edge._version import __version__
from maskattn_edge.contract.spec import (
    Golden,
    Licences,
    ModelSpec,
    PrecisionSpec,
    Provenance,
    TrainingSpec,
)
from maskattn_edge.pictures import encode_labels, encode_rgb
from maskattn_models.answers import Answer
from maskattn_models.checkpoint import Checkpoint
from maskattn_models.data import spread

_TOOLS = ("torch", "onnx", "onnxruntime", "nvidia-modelopt")


def base_spec(
    checkpoint: Checkpoint, *, name: str, licences: Licences, golden: tuple[Golden, ...]
) -> ModelSpec:
    """The description of the fp32 file."""
    training = checkpoint.training
    return ModelSpec(
        name=name,
        task=checkpoint.task,
        classes=checkpoint.classes,
        input=checkpoint.input,
        precision=PrecisionSpec(name="fp32"),
        training=TrainingSpec(
            data=str(training.get("data", "")),
            data_sha256=str(training.get("data_sha256", "")),
            grid=(checkpoint.input.height, checkpoint.input.width),
            metrics=dict(checkpoint.metrics),
            seed=training.get("seed"),
            epochs=training.get("epochs"),
            commit=str(training.get("commit", "")),
        ),
        provenance=Provenance(
            checkpoint_sha256=checkpoint.sha256,
            versions=_versions() | {"maskattn-edge": __version__},
        ),
        licences=licences,
        samples=golden,
    )


def golden_samples(
    images: Sequence[NDArray[np.uint8]], answers: Sequence[Answer], count: int
) -> tuple[Golden, ...]:
    """`count` of the images (H, W, 3) uint8 RGB, evenly chosen, with their answers."""
    pairs = spread(list(zip(images, answers, strict=True)), count) if count else []
    return tuple(_sample(image, answer) for image, answer in pairs)


def _sample(image: NDArray[np.uint8], answer: Answer) -> Golden:
    picture, labels = encode_rgb(image), encode_labels(answer.labels)
    found = answer.instances
    if found is None:
        return Golden(image=picture, labels=labels)
    return Golden(
        image=picture,
        labels=labels,
        instances=encode_labels(found.map),
        instance_class=tuple(found.label.tolist()),
        instance_score=tuple(found.score.tolist()),
    )


def _versions() -> dict[str, str]:
    found = {}
    for tool in _TOOLS:
        try:
            found[tool] = version(tool)
        except PackageNotFoundError:  # ModelOpt is optional
            continue
    return found
