import numpy as np
import pytest

from maskattn_edge.contract.errors import ContractError
from maskattn_edge.synthetic import CLASSES, SyntheticCamera, render_clip, render_image
from maskattn_edge.synthetic.labels import FLOOR

SIZE = {"height": 120, "width": 160}


@pytest.fixture(scope="module")
def frames():
    return [render_image(seed, **SIZE) for seed in range(40)]


def test_the_classes_are_the_documented_ones():
    names = [info.name for info in CLASSES]
    assert names == ["floor", "wall", "door", "box", "person", "bottle", "ramp", "cable"]
    things = {info.name for info in CLASSES if info.thing}
    assert things == {"box", "person", "bottle", "ramp", "cable"}
    assert len({info.color for info in CLASSES}) == len(CLASSES)


def test_shapes_and_types(frames):
    for frame in frames:
        assert frame.image_bgr.shape == (120, 160, 3)
        assert frame.labels.shape == frame.instances.shape == (120, 160)
        for array in (frame.image_bgr, frame.labels, frame.instances):
            assert array.dtype == np.uint8
            assert array.flags["C_CONTIGUOUS"]
        assert frame.labels.max() < len(CLASSES)


def test_a_seed_names_one_picture(frames):
    again = render_image(3, **SIZE)
    np.testing.assert_array_equal(again.image_bgr, frames[3].image_bgr)
    np.testing.assert_array_equal(again.labels, frames[3].labels)
    np.testing.assert_array_equal(again.instances, frames[3].instances)
    assert (frames[3].image_bgr != frames[4].image_bgr).any()


def test_rendering_leaves_the_global_random_state_alone():
    np.random.seed(5)
    before = np.random.get_state()[1].copy()
    render_image(1, **SIZE)
    np.testing.assert_array_equal(np.random.get_state()[1], before)


@pytest.mark.parametrize("label", range(len(CLASSES)))
def test_each_class_is_in_a_good_share_of_pictures(frames, label):
    shown = [np.count_nonzero(frame.labels == label) >= 15 for frame in frames]
    assert np.mean(shown) > 0.2


def test_an_instance_is_of_one_thing_class_and_stuff_of_none(frames):
    things = [index for index, info in enumerate(CLASSES) if info.thing]
    for frame in frames:
        np.testing.assert_array_equal(np.isin(frame.labels, things), frame.instances > 0)
        numbers = np.unique(frame.instances[frame.instances > 0])
        np.testing.assert_array_equal(numbers, np.arange(1, len(numbers) + 1))
        for number in numbers:
            assert len(np.unique(frame.labels[frame.instances == number])) == 1


def test_labels_follow_the_edges_of_the_picture(frames):
    """Colour changes far more across a label's border than elsewhere."""
    across, elsewhere = [], []
    for frame in frames:
        image = frame.image_bgr.astype(int)
        change = np.abs(image[:, 2:] - image[:, :-2]).sum(axis=2)
        border = frame.labels[:, 2:] != frame.labels[:, :-2]
        across.append(change[border].mean())
        elsewhere.append(change[~border].mean())
    assert np.mean(across) > 2 * np.mean(elsewhere)


def test_the_size_changes_the_resolution_and_not_the_scene():
    small, large = render_image(8, **SIZE), render_image(8, height=240, width=320)
    agree = small.labels[1:-1, 1:-1] == large.labels[2:-2:2, 2:-2:2]
    assert agree.mean() > 0.93


def test_a_clip_moves_smoothly():
    labels = [frame.labels for frame in render_clip(2, frames=10, **SIZE)]
    moved = [np.mean(a != b) for a, b in zip(labels[:-1], labels[1:], strict=True)]
    assert max(moved) < 0.25
    assert max(moved) > 0


def test_noise_differs_between_frames():
    camera = SyntheticCamera(2, **SIZE)
    assert (camera.frame(0).image_bgr != camera.frame(1).image_bgr).any()


def test_a_cameras_frame_does_not_depend_on_those_before():
    in_turn = list(render_clip(4, frames=3, fps=10, **SIZE))
    alone = SyntheticCamera(4, fps=10, **SIZE).frame(2)
    np.testing.assert_array_equal(alone.image_bgr, in_turn[2].image_bgr)
    np.testing.assert_array_equal(alone.instances, in_turn[2].instances)


@pytest.mark.parametrize("seed", range(6))
def test_a_camera_stays_in_its_room(seed):
    """Far into the drive there is still a floor to see, and more than one class."""
    camera = SyntheticCamera(seed, height=48, width=64)
    for index in range(0, 1500, 150):
        labels = camera.frame(index).labels
        assert (labels == FLOOR).any()
        assert len(np.unique(labels)) > 1


def test_drives_pass_all_classes():
    seen = set()
    for seed in range(3):
        camera = SyntheticCamera(seed, height=96, width=128)
        for index in range(0, 700, 50):
            seen |= set(np.unique(camera.frame(index).labels).tolist())
    assert seen == set(range(len(CLASSES)))


def test_an_index_may_be_large():
    assert SyntheticCamera(0, height=48, width=64).frame(10**7).labels.shape == (48, 64)


def test_refusals():
    with pytest.raises(ContractError, match="a seed is 0 or more, got -1"):
        render_image(-1)
    with pytest.raises(ContractError, match="16 or more pixels a side, got 8x320"):
        render_image(0, height=8)
    with pytest.raises(ContractError, match="frames must be 0 or more"):
        render_clip(0, frames=-1)
    with pytest.raises(ContractError, match="fps must be above 0, got 0"):
        SyntheticCamera(0, fps=0)
    with pytest.raises(ContractError, match="index is 0 or more, got -3"):
        SyntheticCamera(0, height=48, width=64).frame(-3)
