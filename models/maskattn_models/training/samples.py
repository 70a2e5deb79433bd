"""The pictures that travel with a checkpoint."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from maskattn_edge.contract.checkpoint import MAX_CALIBRATION, MAX_HELD_OUT
from maskattn_edge.preprocess import Resize, fit
from maskattn_models.checkpoint import Samples, pack_samples
from maskattn_models.data import DataSet, GridStore, load_image, spread


def take_samples(dataset: DataSet, validation: GridStore, resize: Resize) -> Samples:
    """Calibration images of the training split, held-out ones of `validation`, spread evenly.

    All are scaled by `preprocess.fit`, as a frame is at work.

    Raises:
        DataError: an image cannot be read.
    """
    height, width = validation.labels.shape[1:]

    def calibration(path: Path) -> NDArray[np.uint8]:
        return fit(load_image(path), height=height, width=width, resize=resize)[0]

    return pack_samples(
        [calibration(sample.image) for sample in spread(dataset.split("train"), MAX_CALIBRATION)],
        [
            (validation.images[index], validation.labels[index])
            for index in spread(range(len(validation)), MAX_HELD_OUT)
        ],
    )
