"""Frames from seeds: single pictures, clips, and a camera that never ends."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from maskattn_edge.contract.errors import ContractError
from maskattn_edge.synthetic.frame import SyntheticFrame
from maskattn_edge.synthetic.scene import draw_moving, draw_still, instance_table
from maskattn_edge.synthetic.sensor import draw_sensor

GENERATOR_VERSION = 1
"""Rises whenever the same seed gives other pictures."""

_STILL, _MOVING, _SENSOR, _NOISE = range(4)  # branches of a seed's tree


def render_image(seed: int, *, height: int = 240, width: int = 320) -> SyntheticFrame:
    """One picture of a scene of its own; the same seed gives the same bytes.

    Args:
        seed: 0 or more; names scene, view and noise.
        height: pixels, 16 or more.
        width: pixels, 16 or more.

    Returns:
        The frame; its instances are numbered 1..K without a gap.

    Raises:
        ContractError: `seed` is negative or a size is below 16.
    """
    _check(seed, height, width)
    scene = draw_still(_branch(seed, _STILL))
    sensor = draw_sensor(_branch(seed, _SENSOR))
    clean, things = scene.paint(0.0, height=height, width=width)
    instances = instance_table()[things]
    present = np.flatnonzero(np.bincount(instances.ravel(), minlength=256)[1:]) + 1
    compact = np.zeros(256, np.uint8)
    compact[present] = np.arange(1, len(present) + 1)
    return SyntheticFrame(
        image_bgr=sensor.capture(clean, _branch(seed, _NOISE)),
        labels=scene.labels[things],
        instances=compact[instances],
    )


def render_clip(
    seed: int, *, frames: int, fps: float = 15.0, height: int = 480, width: int = 640
) -> Iterator[SyntheticFrame]:
    """A drive through one scene, frame by frame, each rendered when it is asked for.

    Args:
        seed: 0 or more; names scene, path and noise.
        frames: how many.
        fps: frames a second of the scene's time.
        height: pixels, 16 or more.
        width: pixels, 16 or more.

    Returns:
        Frames of `SyntheticCamera`; a thing keeps its instance number throughout.

    Raises:
        ContractError: a number is out of range; raised at the call, not at the first frame.
    """
    if frames < 0:
        raise ContractError(f"frames must be 0 or more, got {frames}")
    camera = SyntheticCamera(seed, height=height, width=width, fps=fps)
    return (camera.frame(index) for index in range(frames))


class SyntheticCamera:
    """A robot's camera on an endless loop through one room, with people walking.

    Any frame can be rendered at any time and gives the same bytes. Holds no resource.
    """

    def __init__(
        self, seed: int = 0, *, height: int = 480, width: int = 640, fps: float = 15.0
    ) -> None:
        """Build the scene.

        Raises:
            ContractError: `seed` is negative, a size is below 16, or `fps` is not above 0.
        """
        _check(seed, height, width)
        if not 0 < fps < float("inf"):
            raise ContractError(f"fps must be above 0, got {fps}")
        self.seed = seed
        self.height = height
        self.width = width
        self.fps = fps
        self._scene = draw_moving(_branch(seed, _MOVING))
        self._sensor = draw_sensor(_branch(seed, _SENSOR))
        self._instances = instance_table()

    def frame(self, index: int) -> SyntheticFrame:
        """Frame number `index`, taken `index / fps` seconds into the drive.

        Raises:
            ContractError: `index` is negative.
        """
        if index < 0:
            raise ContractError(f"a frame's index is 0 or more, got {index}")
        time_s = index / self.fps
        clean, things = self._scene.paint(time_s, height=self.height, width=self.width)
        drift = 0.05 * float(np.sin(0.7 * time_s))
        noise = _branch(self.seed, _NOISE, index)
        return SyntheticFrame(
            image_bgr=self._sensor.capture(clean, noise, drift=drift),
            labels=self._scene.labels[things],
            instances=self._instances[things],
        )


def _branch(seed: int, *path: int) -> np.random.Generator:
    return np.random.default_rng(np.random.SeedSequence(seed, spawn_key=path))


def _check(seed: int, height: int, width: int) -> None:
    if seed < 0:
        raise ContractError(f"a seed is 0 or more, got {seed}")
    if min(height, width) < 16:
        raise ContractError(f"a frame has 16 or more pixels a side, got {height}x{width}")
