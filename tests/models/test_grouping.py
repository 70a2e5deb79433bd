"""Grouping against a slow reference, and on maps that no network should give."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from maskattn_models.grouping import (
    MIN_CELLS,
    MIN_CENTRE,
    OFFSET_CELLS,
    PEAK_WINDOW,
    ROWS,
    Grouping,
    HeadMaps,
    Objects,
)

HEIGHT, WIDTH, CLASSES, THINGS = 16, 24, 5, (1, 3, 4)


def grouping():
    return Grouping(CLASSES, THINGS, height=HEIGHT, width=WIDTH, scale=2)


def group(logits, centre, offset):
    maps = HeadMaps(*(torch.from_numpy(part)[None] for part in (logits, centre, offset)))
    return [part[0].numpy() for part in grouping()(maps)]


def random_maps(seed, *, classes=CLASSES):
    rng = np.random.default_rng(seed)
    logits = 3 * rng.standard_normal((classes, HEIGHT, WIDTH)).astype(np.float32)
    centre = 2 * rng.standard_normal((1, HEIGHT, WIDTH)).astype(np.float32)
    offset = 0.3 * rng.standard_normal((2, HEIGHT, WIDTH)).astype(np.float32)
    return logits, centre, offset


def reference(logits, centre, offset):
    """The same by loops over cells, in double precision."""
    label = enlarged(logits).argmax(0)
    centre = centre + np.float32(2e-6) * np.arange(HEIGHT * WIDTH, dtype=np.float32).reshape(
        1, HEIGHT, WIDTH
    )
    peaks, reach = [], PEAK_WINDOW // 2
    for y in range(HEIGHT):
        for x in range(WIDTH):
            window = centre[0, max(0, y - reach) : y + reach + 1, max(0, x - reach) : x + reach + 1]
            if centre[0, y, x] == window.max():
                chance = 1 / (1 + np.exp(-float(centre[0, y, x])))
                peaks.append((chance, y, x))
    peaks = sorted((p for p in peaks if p[0] > MIN_CENTRE), reverse=True)[:ROWS]
    members = {row: [] for row in range(len(peaks))}
    for y in range(HEIGHT):
        for x in range(WIDTH):
            if peaks:
                aim_x = np.clip(x + OFFSET_CELLS * offset[0, y, x], 0, WIDTH)
                aim_y = np.clip(y + OFFSET_CELLS * offset[1, y, x], 0, WIDTH)
                far = [(px - aim_x) ** 2 + (py - aim_y) ** 2 for _, py, px in peaks]
                members[int(np.argmin(far))].append((y, x))
    coarse = logits.reshape(CLASSES, HEIGHT // 2, 2, WIDTH // 2, 2).mean((2, 4))
    chances = np.exp(coarse - coarse.max(0)) / np.exp(coarse - coarse.max(0)).sum(0)
    labels, instances = label.copy(), np.zeros(label.shape, int)
    kinds, scores, boxes = np.zeros(ROWS, int), np.zeros(ROWS), np.zeros((ROWS, 4), int)
    for row, cells in members.items():
        pixels = [
            (py, px, y, x)
            for y, x in cells
            for py in (2 * y, 2 * y + 1)
            for px in (2 * x, 2 * x + 1)
            if label[py, px] in THINGS
        ]
        if len(pixels) < 4 * MIN_CELLS:
            continue
        mean = np.mean([chances[:, y // 2, x // 2] for _, _, y, x in pixels], axis=0)
        kinds[row] = max(THINGS, key=lambda kind: mean[kind])
        scores[row] = peaks[row][0] * mean[kinds[row]]
        ys, xs, *_ = zip(*pixels, strict=True)
        boxes[row] = [min(xs), min(ys), max(xs) + 1, max(ys) + 1]
        for y, x, *_ in pixels:
            labels[y, x], instances[y, x] = kinds[row], row + 1
    return labels, instances, kinds, scores, boxes


def enlarged(logits):
    """Twice as large: a pixel's centre lies a quarter of a cell from its cell's."""
    for axis in (1, 2):
        padded = np.pad(logits, [(int(axis == k),) * 2 for k in range(3)], "edge")
        before, own, after = (
            padded.take(range(first, first + logits.shape[axis]), axis) for first in range(3)
        )
        pair = np.stack([(before + 3 * own) / 4, (3 * own + after) / 4], axis + 1)
        logits = pair.reshape(*(n * (1 + (k == axis)) for k, n in enumerate(logits.shape)))
    return logits


@pytest.mark.parametrize("seed", range(12))
def test_it_does_what_the_slow_reference_does(seed):
    maps = random_maps(seed)
    found, expected = group(*maps), reference(*maps)
    for name, ours, theirs in zip(Objects._fields, found, expected, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-5, atol=1e-7, err_msg=name)
    assert found[1].max() > 0


def test_two_touching_objects_of_one_class_are_told_apart():
    logits = np.zeros((CLASSES, HEIGHT, WIDTH), np.float32)
    logits[0] = 2
    logits[3, 2:6, 2:10] = 4
    centre = np.full((1, HEIGHT, WIDTH), -6, np.float32)
    centre[0, 3, 3], centre[0, 4, 8] = 3, 5
    offset = np.zeros((2, HEIGHT, WIDTH), np.float32)
    columns = np.arange(WIDTH)
    offset[0] = (np.where(columns < 6, 3, 8) - columns) / OFFSET_CELLS
    labels, instances, kinds, scores, boxes = group(logits, centre, offset)
    assert labels.dtype == instances.dtype == kinds.dtype == np.uint8
    assert (scores.dtype, boxes.dtype) == (np.float32, np.int32)
    assert (labels[4:12, 4:20] == 3).all()
    assert (labels == 3).sum() == 8 * 16
    # The higher centre comes first.
    assert (instances[4:12, 12:20] == 1).all()
    assert (instances[4:12, 4:12] == 2).all()
    assert boxes[:2].tolist() == [[12, 4, 20, 12], [4, 4, 12, 12]]
    assert kinds[:2].tolist() == [3, 3]
    assert scores[0] > scores[1] > 0
    assert not scores[2:].any()
    assert not boxes[2:].any()


def test_an_objects_cells_take_the_class_that_most_of_them_have():
    logits = np.zeros((CLASSES, HEIGHT, WIDTH), np.float32)
    logits[0] = 5
    logits[1, 1:5, 1:5], logits[4, 1, 1:4] = 9, 12
    centre = np.full((1, HEIGHT, WIDTH), -6, np.float32)
    centre[0, 3, 3] = 4
    labels, instances, kinds, *_ = group(logits, centre, np.zeros((2, HEIGHT, WIDTH), np.float32))
    assert kinds[0] == 1
    assert (labels[instances == 1] == 1).all()
    assert (instances == 1).sum() == 4 * 16


def test_neighbours_that_are_equally_high_are_one_centre():
    logits = np.zeros((CLASSES, HEIGHT, WIDTH), np.float32)
    logits[3, 4:8, 4:10] = 4
    centre = np.full((1, HEIGHT, WIDTH), -6, np.float32)
    centre[0, 5:7, 6:8] = 3
    offset = np.zeros((2, HEIGHT, WIDTH), np.float32)
    labels, instances, _, scores, _ = group(logits, centre, offset)
    assert (scores > 0).sum() == 1
    np.testing.assert_array_equal(instances == 1, labels == 3)


def corner_maps():
    """An object of 3x4 cells in each corner, the highest centre first."""
    logits = np.zeros((CLASSES, HEIGHT, WIDTH), np.float32)
    logits[0] = 2
    centre = np.full((1, HEIGHT, WIDTH), -6, np.float32)
    for rank, (y, x) in enumerate([(0, 0), (0, WIDTH - 4), (HEIGHT - 3, 0), (13, 20)]):
        logits[3, y : y + 3, x : x + 4] = 4
        centre[0, y + 1, x + 1] = 6 - rank
    return logits, centre, np.zeros((2, HEIGHT, WIDTH), np.float32)


def test_boxes_reach_the_edges_of_the_map():
    *_, boxes = group(*corner_maps())
    assert boxes[:4].tolist() == [[0, 0, 8, 6], [40, 0, 48, 6], [0, 26, 8, 32], [40, 26, 48, 32]]
    logits, centre, offset = corner_maps()
    logits[3], centre[:] = 4, -6
    centre[0, 5, 5] = 3
    *_, boxes = group(logits, centre, offset)
    assert boxes[0].tolist() == [0, 0, 48, 32]


@pytest.mark.parametrize(
    ("height", "width", "window", "block"),
    [
        (64, 64, 9, 4),
        (32, 64, 9, 4),
        (50, 40, 9, 5),
        (64, 64, 3, 2),
        (64, 64, 1, 1),
        (16, 24, 9, 2),  # blocks of 4 would be 24, fewer than the rows
        (8, 8, 9, 1),
        (7, 11, 9, 1),
    ],
)
def test_blocks_fill_the_grid_and_the_table(height, width, window, block):
    sized = Grouping(CLASSES, THINGS, height=height, width=width, scale=2, peak_window=window)
    assert sized.block == block


def in_blocks(seed, side, *, block=None):
    """Answers on a square grid of many peaks, close to each other."""
    draw = torch.Generator().manual_seed(seed)
    shapes = ((2, CLASSES, side, side), (2, 1, side, side), (2, 2, side, side))
    logits, centre, offset = (torch.randn(shape, generator=draw) for shape in shapes)
    sized = Grouping(CLASSES, THINGS, height=side, width=side, scale=2)
    sized.block = block or sized.block
    return sized(HeadMaps(3 * logits, 2 * centre, 0.1 * offset))


@pytest.mark.parametrize("side", [16, 20, 40, 64])
def test_no_peak_hides_another_of_its_block(side):
    for seed in range(5):
        found, expected = in_blocks(seed, side), in_blocks(seed, side, block=1)
        assert all(map(torch.equal, found, expected))
        assert (expected.instance_score > 0).sum() > 4


def test_a_larger_block_would_hide_peaks():
    found, expected = in_blocks(0, 64, block=8), in_blocks(0, 64, block=1)
    assert not torch.equal(found.instances, expected.instances)


def test_without_a_centre_things_keep_their_class_and_belong_to_no_object():
    logits = np.zeros((CLASSES, HEIGHT, WIDTH), np.float32)
    logits[1] = 1
    centre = np.full((1, HEIGHT, WIDTH), -9, np.float32)
    labels, instances, _, scores, boxes = group(
        logits, centre, np.zeros((2, HEIGHT, WIDTH), np.float32)
    )
    assert (labels == 1).all()
    assert not instances.any()
    assert not scores.any()
    assert not boxes.any()


def check_answer(found):
    """What holds of every answer, however strange the maps."""
    labels, instances, kinds, scores, boxes = found
    assert np.isfinite(scores).all()
    assert ((scores >= 0) & (scores <= 1)).all()
    assert labels.max() < CLASSES
    used = np.flatnonzero(scores > 0) + 1
    assert set(np.unique(instances)) - {0} == set(used)
    for row in range(ROWS):
        inside = instances == row + 1
        if row + 1 not in used:
            assert kinds[row] == 0
            assert not boxes[row].any()
            continue
        assert kinds[row] in THINGS
        assert (labels[inside] == kinds[row]).all()
        assert inside.sum() >= 4 * MIN_CELLS
        rows, columns = np.flatnonzero(inside.any(1)), np.flatnonzero(inside.any(0))
        bounds = [columns[0], rows[0], columns[-1] + 1, rows[-1] + 1]
        assert boxes[row].tolist() == bounds


values = st.sampled_from([0.0, -1e4, 1e4, -3.0, 3.0, 1e-7])


@settings(max_examples=60, deadline=None)
@given(
    st.integers(0, 2**32 - 1),
    st.tuples(values, values, values),
    st.tuples(st.booleans(), st.booleans(), st.booleans()),
)
def test_no_maps_make_it_fail(seed, constants, random):
    """Equal scores everywhere, no thing, one cell, nothing but centres, huge offsets."""
    maps = [
        part if keep else np.full_like(part, value)
        for part, value, keep in zip(random_maps(seed), constants, random, strict=True)
    ]
    check_answer(group(*maps))


@pytest.mark.parametrize("seed", range(4))
def test_half_precision_gives_finite_answers_close_to_full(seed):
    maps = HeadMaps(*(torch.from_numpy(part)[None] for part in random_maps(seed)))
    exact = grouping()(maps)
    half = grouping().half()(HeadMaps(*(part.half() for part in maps)))
    assert half.instance_score.isfinite().all()
    assert (half.labels == exact.labels).float().mean() > 0.9
    # Rows may swap: scores that differ in single precision are equal in half.
    assert ((half.instances > 0) == (exact.instances > 0)).float().mean() > 0.9
    ours, theirs = (one.instance_score.sort().values for one in (half, exact))
    torch.testing.assert_close(ours, theirs, rtol=0, atol=0.06)


def test_one_map_of_a_batch_does_not_see_the_others():
    several = [random_maps(seed) for seed in range(3)]
    maps = HeadMaps(*(torch.from_numpy(np.stack(part)) for part in zip(*several, strict=True)))
    together = grouping()(maps)
    for index, alone in enumerate(several):
        for ours, theirs in zip(together, group(*alone), strict=True):
            np.testing.assert_allclose(ours[index].numpy(), theirs, rtol=1e-6)
