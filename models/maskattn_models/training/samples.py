"""The pictures that travel with a checkpoint."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from maskattn_edge.contract.checkpoint import MAX_CALIBRATION, MAX_HELD_OUT
from maskattn_edge.preprocess import Resize, fit
from maskattn_models.checkpoint import Samples, pack_samples
from maskattn_models.data import DataSet, GridStore, load_image


def spread(count: int, most: int) -> list[int]:
    """At most `most` of `count` indices, evenly spread over all.

    >>> spread(10, 4)
    [0, 2, 5, 7]
    """
    taken = min(count, most)
    return [index * count // taken for index in range(taken)]


def take_samples(dataset: DataSet, validation: GridStore, resize: Resize) -> Samples:
    """Calibration images of the training split, held-out ones of `validation`, spread evenly.

    All are scaled by `preprocess.fit`, as a frame is at work.

    Raises:
        DataError: an image cannot be read.
    """
    height, width = validation.labels.shape[1:]
    training = dataset.split("train")

    def calibration(index: int) -> NDArray[np.uint8]:
        image = load_image(training[index].image)
        return fit(image, height=height, width=width, resize=resize)[0]

    return pack_samples(
        [calibration(index) for index in spread(len(training), MAX_CALIBRATION)],
        [
            (validation.images[index], validation.labels[index])
            for index in spread(len(validation), MAX_HELD_OUT)
        ],
    )
