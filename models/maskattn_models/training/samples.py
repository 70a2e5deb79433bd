"""The pictures that travel with a checkpoint."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from maskattn_edge.contract.checkpoint import MAX_CALIBRATION, MAX_HELD_OUT
from maskattn_edge.preprocess import Resize, fit
from maskattn_models.checkpoint import Samples, pack_samples
from maskattn_models.data import DataSet, GridStore, load_image, spread
from maskattn_models.training.instances import instance_map


def take_samples(
    dataset: DataSet, validation: GridStore, resize: Resize, things: Sequence[int] = ()
) -> Samples:
    """Calibration images of the training split, held-out ones of `validation`, spread evenly.

    All are scaled by `preprocess.fit`, as a frame is at work. Instances of the classes `things`
    are added, if there are any; `validation` then has segments.

    Raises:
        DataError: an image cannot be read.
    """
    height, width = validation.labels.shape[1:]

    def calibration(path: Path) -> NDArray[np.uint8]:
        return fit(load_image(path), height=height, width=width, resize=resize)[0]

    chosen = spread(range(len(validation)), MAX_HELD_OUT)
    instances: list[NDArray[np.uint8]] = []
    if things and validation.segments is not None:
        instances = [instance_map(validation.segments[index], things) for index in chosen]
    return pack_samples(
        [calibration(sample.image) for sample in spread(dataset.split("train"), MAX_CALIBRATION)],
        [(validation.images[index], validation.labels[index]) for index in chosen],
        instances,
    )
