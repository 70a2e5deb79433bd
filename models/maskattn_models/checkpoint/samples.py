"""The pictures that travel with a checkpoint, from arrays to PNG bytes and back."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from maskattn_edge.contract.checkpoint import MAX_CALIBRATION, MAX_HELD_OUT
from maskattn_edge.contract.errors import CheckpointError, ContractError
from maskattn_edge.contract.spec import InputSpec
from maskattn_edge.pictures import decode_labels, decode_rgb, encode_labels, encode_rgb
from maskattn_edge.segments import Segments, segments_of_maps
from maskattn_models.checkpoint.checkpoint import Checkpoint, Samples


def pack_samples(
    calibration: Sequence[NDArray[np.uint8]],
    held_out: Sequence[tuple[NDArray[np.uint8], NDArray[np.uint8]]],
    instances: Sequence[NDArray[np.uint8]] = (),
) -> Samples:
    """Encode sample images (H, W, 3) RGB, held-out labels and instances (H, W), all uint8."""
    return Samples(
        calibration=tuple(encode_rgb(image) for image in calibration[:MAX_CALIBRATION]),
        held_out=tuple(
            (encode_rgb(image), encode_labels(labels)) for image, labels in held_out[:MAX_HELD_OUT]
        ),
        held_out_instances=tuple(encode_labels(one) for one in instances[:MAX_HELD_OUT]),
    )


def calibration_images(checkpoint: Checkpoint) -> list[NDArray[np.uint8]]:
    """The checkpoint's calibration images, each (H, W, 3) uint8 RGB.

    Raises:
        CheckpointError: a stored picture is damaged or of another size.
    """
    return [_rgb(data, checkpoint.input) for data in checkpoint.samples.calibration]


def held_out_images(
    checkpoint: Checkpoint,
) -> list[tuple[NDArray[np.uint8], NDArray[np.uint8]]]:
    """The checkpoint's held-out images (H, W, 3) RGB with labels (H, W), all uint8.

    Raises:
        CheckpointError: a stored picture is damaged or of another size.
    """
    size = checkpoint.input
    try:
        return [
            (_rgb(image, size), decode_labels(labels, height=size.height, width=size.width))
            for image, labels in checkpoint.samples.held_out
        ]
    except ContractError as error:
        raise CheckpointError(f"the checkpoint's samples are damaged: {error}") from error


def held_out_segments(checkpoint: Checkpoint) -> list[Segments]:
    """Truth of the held-out images; empty where the checkpoint's task tells no objects apart.

    Raises:
        CheckpointError: a stored picture is damaged or of another size.
    """
    size = checkpoint.input
    stored = checkpoint.samples.held_out_instances
    if not stored:
        return []
    try:
        maps = [decode_labels(data, height=size.height, width=size.width) for data in stored]
    except ContractError as error:
        raise CheckpointError(f"the checkpoint's samples are damaged: {error}") from error
    return [
        segments_of_maps(labels, instances, checkpoint.classes)
        for (_, labels), instances in zip(held_out_images(checkpoint), maps, strict=True)
    ]


def _rgb(data: bytes, size: InputSpec) -> NDArray[np.uint8]:
    try:
        return decode_rgb(data, height=size.height, width=size.width)
    except ContractError as error:
        raise CheckpointError(f"the checkpoint's samples are damaged: {error}") from error
