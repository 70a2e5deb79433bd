"""Compose one picture: a view of a scene, objects on its ground, and exact truth."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from maskattn_models.data.composed.compositor import cast_shadow, light_of, match_light, paste
from maskattn_models.data.composed.placement import Cast, place


@dataclass(frozen=True, kw_only=True, eq=False)
class Composed:
    """A picture with its truth.

    Args:
        image: (H, W, 3) uint8 BGR.
        labels: (H, W) uint8 classes, 255 = void.
        instances: (H, W) uint8, 0 = none, 1..K from the nearest to the farthest.
        chosen: of instance k at k - 1, the index of its cut-out.
    """

    image: NDArray[np.uint8]
    labels: NDArray[np.uint8]
    instances: NDArray[np.uint8]
    chosen: tuple[int, ...]


def compose(
    scene: NDArray[np.uint8],
    labels: NDArray[np.uint8],
    cast: Cast,
    rng: np.random.Generator,
) -> Composed:
    """Set 3 to 8 objects into a scene, alone or touching others of their class.

    Classes are equally likely, then the sizes of clusters of one, then its objects.

    Args:
        scene: (H, W, 3) uint8 BGR.
        labels: of the scene, (H, W) uint8, 255 = void.
        cast: who may appear.
        rng: decides all that is left to chance.
    """
    placed, instances = place(labels.shape, cast, rng)
    canvas = scene.astype(np.float32)
    around = light_of(canvas[canvas.shape[0] // 3 :])  # without most of the sky
    lean, strength = rng.uniform(-0.6, 0.6), rng.uniform(0.4, 0.7)
    for item in reversed(placed):
        cast_shadow(canvas, item.sprite, item.left, item.top, lean)
        shift = float(rng.normal(0, 4))
        paste(canvas, match_light(item.sprite, around, strength, shift), item.left, item.top)
    truth = labels.copy()
    for number, item in enumerate(placed, start=1):
        truth[instances == number] = cast.cutouts[item.chosen].label
    return Composed(
        image=np.clip(canvas + 0.5, 0, 255).astype(np.uint8),
        labels=truth,
        instances=instances,
        chosen=tuple(item.chosen for item in placed),
    )
