"""A pinhole camera on a small robot, and the loop that it drives.

World: metres, x and y on the floor, z up. Camera: x right, y down, z forward.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

NEAR_M = 0.06
"""What is nearer than this is cut off."""


@dataclass(frozen=True, kw_only=True)
class Pose:
    """Where the camera is and looks; metres and radians. `yaw` 0 looks along +x."""

    x: float
    y: float
    z: float
    yaw: float
    pitch: float
    roll: float = 0.0


class Camera:
    """Projects world points to pixels; a pixel's centre lies at whole coordinates."""

    def __init__(self, pose: Pose, *, focal: float, height: int, width: int) -> None:
        self.height = height
        self.width = width
        self.focal_px = focal * width
        self.center_x = (width - 1) / 2
        self.center_y = (height - 1) / 2
        self.position = np.array([pose.x, pose.y, pose.z])
        self.rotation = _rotation(pose)
        self.intrinsics = np.array(
            [
                [self.focal_px, 0.0, self.center_x],
                [0.0, self.focal_px, self.center_y],
                [0.0, 0.0, 1.0],
            ]
        )

    def to_camera(self, points: NDArray[np.float64]) -> NDArray[np.float64]:
        """World points, (N, 3), in the camera's axes, (N, 3)."""
        return np.asarray((points - self.position) @ self.rotation.T)

    def to_pixels(self, points: NDArray[np.float64]) -> NDArray[np.float64]:
        """Points in the camera's axes, (N, 3) with z > 0, as (N, 2) pixels."""
        scale = self.focal_px / points[:, 2:]
        return np.asarray(points[:, :2] * scale + (self.center_x, self.center_y))


def _rotation(pose: Pose) -> NDArray[np.float64]:
    """World to camera, (3, 3): rows are right, down and forward."""
    cos_yaw, sin_yaw = math.cos(pose.yaw), math.sin(pose.yaw)
    cos_pitch, sin_pitch = math.cos(pose.pitch), math.sin(pose.pitch)
    forward = np.array([cos_yaw * cos_pitch, sin_yaw * cos_pitch, sin_pitch])
    right = np.array([sin_yaw, -cos_yaw, 0.0])
    down = np.cross(forward, right)
    cos_roll, sin_roll = math.cos(pose.roll), math.sin(pose.roll)
    return np.stack(
        [cos_roll * right + sin_roll * down, cos_roll * down - sin_roll * right, forward]
    )


@dataclass(frozen=True, kw_only=True)
class Loop:
    """An ellipse that a robot drives for ever, looking ahead; a still pose if its axes are 0."""

    center: tuple[float, float]
    axes: tuple[float, float]
    period_s: float
    start: float
    """Angle on the ellipse, or the yaw of a still pose, in radians."""
    height_m: float
    pitch: float
    roll: float
    sway: float
    """Size of the small turns and nods while driving, in radians."""

    def pose(self, time_s: float) -> Pose:
        """Where the camera is at `time_s`; smooth in time, and defined for any."""
        if self.axes == (0.0, 0.0):
            x, y = self.center
            return Pose(x=x, y=y, z=self.height_m, yaw=self.start, pitch=self.pitch, roll=self.roll)
        angle = self.start + 2 * math.pi * time_s / self.period_s
        long, short = self.axes
        heading = math.atan2(short * math.cos(angle), -long * math.sin(angle))
        return Pose(
            x=self.center[0] + long * math.cos(angle),
            y=self.center[1] + short * math.sin(angle),
            z=self.height_m + 0.004 * math.sin(9.0 * time_s),
            yaw=heading + self.sway * math.sin(0.9 * time_s + self.start),
            pitch=self.pitch + 0.3 * self.sway * math.sin(1.7 * time_s),
            roll=self.roll + 0.1 * self.sway * math.sin(2.3 * time_s),
        )
