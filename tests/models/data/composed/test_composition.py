"""Placing and blending: the truth agrees with itself, and with what is seen."""

from functools import partial

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from maskattn_edge.segments import Segments
from maskattn_models.data.composed.composition import compose
from maskattn_models.data.composed.compositor import (
    Sprite,
    cast_shadow,
    light_of,
    make_sprite,
    match_light,
    overlap,
    paste,
)
from maskattn_models.data.composed.cutouts import cut
from maskattn_models.data.composed.placement import MOST, Cast, Cutout, place
from maskattn_models.data.composed.sources import Piece, share_out
from maskattn_models.data.composed.touching import GRID, MIN_CELLS, clusters_of

STUFF = 3


def disc(side: int, color: int = 200) -> np.ndarray:
    picture = np.zeros((side, side, 4), np.uint8)
    picture[..., :3] = color
    cv2.circle(picture, (side // 2, side // 2), side // 2 - 2, (color, color, color, 255), -1)
    return picture


def made(picture: np.ndarray) -> np.ndarray:
    return picture


@settings(max_examples=40, deadline=None)
@given(
    st.integers(0, 2**32 - 1),
    st.lists(
        st.tuples(st.integers(STUFF, 9), st.integers(1, 200), st.integers(1, 200)),
        min_size=1,
        max_size=5,
    ),
)
def test_masks_and_instances_always_agree(seed, shapes):
    rng = np.random.default_rng(seed)
    cutouts, sizes = [], {}
    for label, height, width in shapes:
        picture = rng.integers(0, 256, (height, width, 4), np.uint8)
        picture[..., 3] = 255 * (cv2.blur(picture[..., 3], (9, 9)) > rng.integers(90, 140))
        cutouts.append(Cutout(label=label, load=partial(made, picture)))
        sizes[label] = [1, MOST]
    scene = rng.integers(0, 256, (240, 320, 3), np.uint8)
    labels = rng.choice(np.array([0, 1, 2, 255], np.uint8), (240, 320))
    result = compose(scene, labels, Cast(cutouts=cutouts, sizes=sizes), rng)
    numbers = [int(value) for value in np.unique(result.instances) if value]
    assert numbers == list(range(1, len(result.chosen) + 1))  # compact, none without pixels
    assert len(numbers) <= MOST
    np.testing.assert_array_equal(result.labels[result.instances == 0],
                                  labels[result.instances == 0])  # fmt: skip
    for number, chosen in enumerate(result.chosen, start=1):
        mask = result.instances == number
        assert set(result.labels[mask].tolist()) == {cutouts[chosen].label}  # one class each
        coarse = cv2.resize(mask.astype(np.float32), (GRID, GRID), interpolation=cv2.INTER_AREA)
        assert (coarse >= 0.5).sum() >= MIN_CELLS
    assert result.image.shape == (240, 320, 3)
    assert result.image.dtype == result.labels.dtype == result.instances.dtype == np.uint8


def test_the_same_seed_gives_the_same_picture():
    cutouts = [Cutout(label=5, load=partial(made, disc(80)))]
    scene, labels = np.full((240, 320, 3), 90, np.uint8), np.zeros((240, 320), np.uint8)
    first, again, other = (
        compose(scene, labels, Cast(cutouts=cutouts), np.random.default_rng(seed))
        for seed in (1, 1, 2)
    )
    np.testing.assert_array_equal(first.image, again.image)
    assert not np.array_equal(first.image, other.image)
    assert len(first.chosen) >= 3
    assert (scene == 90).all()  # the source stays as it is


def placed_sizes(sizes: list[int]) -> list[int]:
    """Sizes of the clusters in twenty pictures of discs of two classes, one after the other."""
    cutouts = [Cutout(label=label, load=partial(made, disc(100))) for label in (0, 0, 1, 1)]
    cast = Cast(cutouts=cutouts, sizes={0: sizes, 1: sizes})
    found = []
    for seed in range(20):
        placed, instances = place((240, 320), cast, np.random.default_rng(seed))
        kind = np.array([cutouts[item.chosen].label for item in placed])
        segments = Segments(map=instances.astype(np.uint16), label=kind.astype(np.uint8))
        found += [len(members) for members in clusters_of(segments, kind)]
    return found


def test_objects_of_a_cluster_touch_each_other():
    alone, together = placed_sizes([1]), placed_sizes([4])
    assert np.mean(alone) < 1.6  # some meet by chance
    assert np.mean(together) > 2.5
    assert max(map(len, (alone, together))) == len(alone)


def test_those_of_one_kind_stand_together():
    kinds = "aabcc"
    cutouts = [Cutout(label=0, kind=kind, load=partial(made, disc(60))) for kind in kinds]
    cast = Cast(cutouts=cutouts, sizes={0: [2]})
    for seed in range(20):
        placed, _ = place((240, 320), cast, np.random.default_rng(seed))
        clusters: dict[int, list[int]] = {}
        for item in placed:
            clusters.setdefault(item.cluster, []).append(item.chosen)
        for chosen in clusters.values():
            assert len(set(chosen)) == len(chosen)  # none twice
            if len(chosen) == 2 and 2 not in chosen:  # "b" is alone of its kind
                assert kinds[chosen[0]] == kinds[chosen[1]]


def test_objects_stand_low_and_grow_towards_the_front():
    cutouts = [Cutout(label=5, load=partial(made, disc(200)))]
    scene, labels = np.full((240, 320, 3), 90, np.uint8), np.zeros((240, 320), np.uint8)
    feet, sides = [], []
    for seed in range(20):
        result = compose(scene, labels, Cast(cutouts=cutouts), np.random.default_rng(seed))
        rows, columns = np.nonzero(result.instances == 1)  # the nearest: nothing hides it
        if rows.max() < 239 and columns.min() > 0 and columns.max() < 319:
            feet.append(int(rows.max()))
            sides.append(int(np.ptp(rows)))
    assert min(feet) > 120
    assert np.corrcoef(feet, sides)[0, 1] > 0.3


def test_a_sprite_is_drawn_in_and_soft():
    sprite = make_sprite(disc(60), scale=1.0, degrees=0.0, mirrored=False)
    area = float((sprite.alpha >= 0.5).sum())
    assert 0.8 < area / (np.pi * 28**2) < 0.99
    assert ((sprite.alpha > 0.05) & (sprite.alpha < 0.95)).sum() > 60
    turned = make_sprite(disc(60), scale=1.0, degrees=8.0, mirrored=True)
    assert float((turned.alpha >= 0.5).sum()) == pytest.approx(area, rel=0.05)


def test_nothing_is_left_of_a_line():
    line = np.zeros((40, 40, 4), np.uint8)
    line[20, :, 3] = 255
    assert make_sprite(line, scale=1.0, degrees=0.0, mirrored=False).alpha.size == 0


def test_light_moves_towards_the_scene():
    sprite = make_sprite(disc(40, color=220), scale=1.0, degrees=0.0, mirrored=False)
    dark = light_of(np.full((10, 10, 3), 40, np.float32))
    same, matched = (match_light(sprite, dark, strength, 0.0) for strength in (0.0, 0.5))
    assert same.bgr.mean() == pytest.approx(sprite.bgr.mean(), abs=1)
    assert 60 < matched.bgr.mean() < 180
    np.testing.assert_array_equal(matched.alpha, sprite.alpha)


@pytest.mark.parametrize("lean", [-0.6, 0.0, 0.6])
def test_a_shadow_falls_below_the_object(lean):
    canvas = np.full((100, 100, 3), 100, np.float32)
    sprite = make_sprite(disc(40), scale=1.0, degrees=0.0, mirrored=False)
    cast_shadow(canvas, sprite, 30, 30, lean)
    rows = np.nonzero((canvas[..., 0] < 90).any(axis=1))[0]
    foot = 30 + sprite.alpha.shape[0]
    assert rows.min() > 40
    assert foot - 12 < rows.max() < foot + 10
    assert canvas.min() > 40
    assert canvas[:25].min() == pytest.approx(100)


@pytest.mark.parametrize(("top", "left"), [(-5, -5), (95, 95), (-50, 0), (200, 200), (10, 10)])
def test_a_patch_outside_is_cut_off(top, left):
    canvas = np.zeros((100, 100, 3), np.float32)
    sprite = Sprite(bgr=np.full((20, 20, 3), 50, np.float32), alpha=np.ones((20, 20), np.float32))
    paste(canvas, sprite, left, top)
    there, here = overlap((100, 100), (20, 20), top, left)
    assert canvas[there].shape[:2] == sprite.alpha[here].shape
    assert canvas.sum() == canvas[there].size * 50


def whole() -> np.ndarray:
    numbers = np.zeros((100, 100), np.uint16)
    numbers[20:60, 30:70] = 1
    return numbers


def segments(numbers: np.ndarray) -> Segments:
    return Segments(map=numbers, label=np.zeros(1, np.uint8))


def test_a_whole_object_is_cut_out_with_a_margin():
    image = np.full((100, 100, 3), (1, 2, 3), np.uint8)
    picture = cut(image, segments(whole()), 1)
    assert picture.shape == (48, 48, 4)
    assert picture[0, 0].tolist() == [3, 2, 1, 0]
    assert (picture[4:44, 4:44, 3] == 255).all()
    ninefold = segments(np.kron(whole(), np.ones((9, 9), np.uint16)))
    large = cut(np.zeros((900, 900, 3), np.uint8), ninefold, 1)
    assert large.shape == (256, 256, 4)


@pytest.mark.parametrize("unfit", ["small", "at the edge", "thin", "in two parts", "absent"])
def test_an_unfit_object_is_not(unfit):
    numbers = whole()
    if unfit == "small":
        numbers[:, 45:] = 0
    elif unfit == "at the edge":
        numbers[20:60, 70:98] = 1
    elif unfit == "thin":
        numbers[20:60, 30:70] = np.eye(40, dtype=np.uint16)
        numbers[20:60, 31:71] |= np.eye(40, dtype=np.uint16)
    elif unfit == "in two parts":
        numbers[35:40] = 0
    else:
        numbers[:] = 0
    assert cut(np.zeros((100, 100, 3), np.uint8), segments(numbers), 1) is None


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 30), st.sampled_from("abc")), max_size=60))
def test_shared_photographs_stay_together(drawn):
    pieces = [
        Piece(file=str(index), source=f"{photograph}.jpg#{index}", name=name)
        for index, (photograph, name) in enumerate(drawn)
    ]
    shared = share_out(pieces)
    assert sorted(piece.file for part in shared.values() for piece in part) == sorted(
        piece.file for piece in pieces
    )
    photographs = [{p.source.partition("#")[0] for p in part} for part in shared.values()]
    assert sum(map(len, photographs)) == len(set().union(*photographs))


def test_a_rare_class_is_shared_out_first():
    pieces = [Piece(file="", source=f"{i}#1", name="common") for i in range(30)]
    pieces += [Piece(file="", source=f"{i}#2", name="rare") for i in range(5)]
    shared = share_out(pieces)
    rare = [sum(p.name == "rare" for p in shared[split]) for split in ("train", "val", "test")]
    assert rare == [3, 1, 1]
    assert [len(shared[split]) for split in ("train", "val", "test")] == [21, 7, 7]
