"""The outlines against geometry worked out by hand."""

import math

import numpy as np
import pytest

from maskattn_edge.synthetic.camera import Camera, Loop, Pose
from maskattn_edge.synthetic.canvas import Canvas, Face
from maskattn_edge.synthetic.solids import rectangle
from maskattn_edge.synthetic.textures import TILE, Texture

POSE = Pose(x=0.0, y=0.0, z=0.5, yaw=0.0, pitch=0.0)


def camera() -> Camera:
    return Camera(POSE, focal=1.0, height=101, width=101)


def halves() -> Texture:
    """Left half of the tile dark, right half bright."""
    tile = np.full((TILE, TILE, 3), 50, np.uint8)
    tile[:, TILE // 2 :] = 200
    return Texture.from_tile(tile)


def wall(size: float, distance: float) -> Face:
    """A square that faces the camera, centred on its axis."""
    return Face(
        outline=rectangle(size, size),
        origin=np.array([distance, size / 2, 0.5 + size / 2]),
        along=np.array([0.0, -1.0, 0.0]),
        down=np.array([0.0, 0.0, -1.0]),
        texture=halves(),
        texels_per_m=TILE / size,
    )


def test_axes_of_the_camera():
    seen = camera().to_camera(np.array([[2.0, 0.0, 0.5], [2.0, -1.0, 0.5], [2.0, 0.0, 0.0]]))
    np.testing.assert_allclose(seen, [[0, 0, 2], [1, 0, 2], [0, 0.5, 2]], atol=1e-12)


def test_a_square_covers_the_pixels_that_a_pinhole_says():
    canvas = Canvas(camera())
    canvas.face(wall(0.8, 2.0), 7)  # 0.8 m at 2 m, f = 101 px: 40.4 px around pixel 50
    rows, columns = np.nonzero(canvas.things == 7)
    assert (rows.min(), rows.max()) == (columns.min(), columns.max()) == (30, 70)
    np.testing.assert_array_equal(canvas.image.any(axis=2), canvas.things == 7)


def test_texture_lies_where_the_outline_says():
    canvas = Canvas(camera())
    canvas.face(wall(0.8, 2.0), 1)
    assert abs(int(canvas.image[50, 40, 0]) - 50) < 3
    assert abs(int(canvas.image[50, 60, 0]) - 200) < 3


@pytest.mark.parametrize("distance", [-1.0, 0.01])
def test_what_is_behind_is_not_drawn(distance):
    canvas = Canvas(camera())
    canvas.face(wall(0.5, distance), 7)
    assert not canvas.things.any()


def test_a_floor_that_starts_behind_the_camera_ends_at_the_horizon():
    canvas = Canvas(camera())
    canvas.face(
        Face(
            outline=rectangle(2000.0, 2000.0),
            origin=np.array([-1000.0, -1000.0, 0.0]),
            along=np.array([1.0, 0.0, 0.0]),
            down=np.array([0.0, 1.0, 0.0]),
            texture=halves(),
            texels_per_m=100.0,
        ),
        7,
    )
    assert (canvas.things[52:] == 7).all()
    assert not canvas.things[:49].any()


def test_a_loop_is_closed_and_continuous():
    loop = Loop(
        center=(3.0, 2.0), axes=(2.0, 0.5), period_s=40.0, start=0.3,
        height_m=0.4, pitch=-0.1, roll=0.0, sway=0.1,
    )  # fmt: skip
    poses = [loop.pose(time) for time in np.arange(0, 80, 1 / 15)]
    x = np.array([pose.x for pose in poses])
    y = np.array([pose.y for pose in poses])
    turns = np.diff(np.unwrap([pose.yaw for pose in poses]))
    assert np.hypot(np.diff(x), np.diff(y)).max() < 0.03
    assert np.abs(turns).max() < math.radians(6)
    assert loop.pose(0.0).x == pytest.approx(loop.pose(40.0).x)
