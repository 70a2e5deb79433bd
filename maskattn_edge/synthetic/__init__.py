"""Generated robot scenes with exact labels: data to train on, and a camera without hardware."""

from maskattn_edge.synthetic.frame import SyntheticFrame
from maskattn_edge.synthetic.labels import CLASSES
from maskattn_edge.synthetic.render import (
    GENERATOR_VERSION,
    SyntheticCamera,
    render_clip,
    render_image,
)

__all__ = [
    "CLASSES",
    "GENERATOR_VERSION",
    "SyntheticCamera",
    "SyntheticFrame",
    "render_clip",
    "render_image",
]
