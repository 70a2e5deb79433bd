"""A result whose picture and labels are known."""

import numpy as np
import pytest

from maskattn_edge.contract import ClassInfo, InputSpec, ModelSpec, PrecisionSpec
from maskattn_edge.preprocess import geometry
from maskattn_edge.segmentation import Segmentation
from maskattn_edge.sources import Frame

SPEC = ModelSpec(
    name="tiny",
    task="semantic",
    classes=(ClassInfo("floor", (250, 10, 20)), ClassInfo("cup", (5, 240, 30), thing=True)),
    input=InputSpec(height=8, width=8),
    precision=PrecisionSpec(name="fp32"),
)


@pytest.fixture
def red_and_green():
    """Make a grey frame that is floor, red, on the left, and cup, green, on the right."""

    def make(index=0, size=(40, 60), captured=0.0):
        height, width = size
        labels = np.zeros((8, 8), np.uint8)
        labels[:, 4:] = 1
        image = np.full((height, width, 3), 128, np.uint8)
        place = geometry(height, width, height=8, width=8, resize="stretch")
        frame = Frame(image_bgr=image, captured=captured, index=index)
        return frame, Segmentation(labels=labels, spec=SPEC, place=place)

    return make
