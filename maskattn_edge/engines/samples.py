"""Pictures to try an engine with: the model's own, or drawn ones."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from maskattn_edge.contract.model_file import ModelFile
from maskattn_edge.pictures import decode_rgb
from maskattn_edge.preprocess import network_input

_DRAWN = 4
"""Images where the file brings none."""


def sample_images(file: ModelFile) -> list[NDArray[np.uint8]]:
    """The pictures in the file, or drawn scenes if it has none, (H, W, 3) uint8 RGB each.

    Raises:
        ContractError: a stored sample is damaged.
    """
    size = file.spec.input
    if file.spec.samples:
        return [
            decode_rgb(sample.image, height=size.height, width=size.width)
            for sample in file.spec.samples
        ]
    from maskattn_edge.synthetic import render_image

    scenes = [render_image(seed, height=240, width=320).image_bgr for seed in range(_DRAWN)]
    return [network_input(scene, size)[0][0] for scene in scenes]
