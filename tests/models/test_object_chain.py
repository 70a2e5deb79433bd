"""Ten thousand label images go the whole way that truth goes: files, cache, targets, scores."""

from __future__ import annotations

import math

import cv2
import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from maskattn_edge.contract.classes import ClassInfo, things_of
from maskattn_edge.scores import (
    PanopticCounts,
    PictureObjects,
    average_precision,
    confusion_matrix,
    mean_iou,
    mean_quality,
    object_masks,
    panoptic_counts,
)
from maskattn_edge.segmentation import Instances
from maskattn_edge.segments import joined_segments
from maskattn_models.data import ConversionSettings, DataSet, Sample, decode_split, open_dataset
from maskattn_models.data.conversion import Origin, convert
from maskattn_models.data.dataset import EVERY_TASK
from maskattn_models.grouping import Grouping, HeadMaps
from maskattn_models.training.instances import instance_maps
from maskattn_models.training.object_targets import object_targets

IMAGES, EXAMPLES = 500, 20
SIDE, SCALE = 16, 2
CLASSES = tuple(ClassInfo(str(index), (0, 0, 0), thing=index >= 3) for index in range(6))
THINGS = things_of(CLASSES)
IS_THING = np.array([info.thing for info in CLASSES])
KINDS = ("void", "empty", "one pixel", "255 instances", "blocks", "noise")
drawn: list[str] = []


def label_image(kind, rng):
    """Labels and instance numbers, (h, w) uint8 both; an instance has one class, a thing."""
    height, width = (int(side) for side in rng.choice([1, 2, 7, 12, 20], 2))
    if kind == "255 instances":
        numbers = np.arange(height * width).reshape(height, width) % 255 + 1
    elif kind == "blocks":
        block = int(rng.integers(2, 9))
        coarse = rng.integers(0, 6, (-(-height // block), -(-width // block)))
        numbers = coarse.repeat(block, 0).repeat(block, 1)[:height, :width]
    else:
        numbers = rng.integers(0, 256, (height, width)) * (kind == "noise")
    if kind == "one pixel":
        numbers[rng.integers(height), rng.integers(width)] = rng.integers(1, 256)
    # Without a number: stuff, void, or things of a crowd.
    others = rng.choice([0, 1, 2, 3, 255], (height, width))
    if kind in ("void", "empty"):
        others[:] = 255 if kind == "void" else 0
    labels = np.where(numbers > 0, 3 + numbers % 3, others)
    return labels.astype(np.uint8), numbers.astype(np.uint8)


def write(folder, kinds, seed):
    """A plain set with instances; pictures of one size share a file."""
    rng, samples = np.random.default_rng(seed), []
    for index, kind in enumerate(kinds):
        labels, numbers = label_image(kind, rng)
        height, width = labels.shape
        picture = folder / f"{height}x{width}.png"
        if not picture.exists():
            assert cv2.imwrite(str(picture), np.zeros((height, width, 3), np.uint8))
        files = folder / f"{index}-mask.png", folder / f"{index}-instances.png"
        for path, array in zip(files, (labels, numbers), strict=True):
            assert cv2.imwrite(str(path), array)
        samples.append(Sample(picture, *files))
    return DataSet(
        name="set", root=folder, classes=CLASSES, splits={"val": tuple(samples)}, tasks=EVERY_TASK
    )


def cached(dataset, folder, resize):
    """The set converted, opened again and read."""
    size = ConversionSettings(height=SIDE, width=SIDE, working_scale=1.0, resize=resize)
    origin = Origin(reader="folder", source=dataset.root)
    convert(dataset, folder, size, origin, splits=["val"], progress=lambda *_: None)
    prepared = open_dataset(folder)
    return decode_split(prepared, "val", height=SIDE, width=SIDE, resize=resize, segments=True)


def true_maps(labels, instances):
    """What the heads learn, as if a network gave just that."""
    thing = torch.from_numpy(np.isin(np.arange(256), THINGS)).float()[:, None]
    targets = object_targets(labels, instances, thing, scale=SCALE)
    assert all(part.isfinite().all() for part in targets)
    hot = F.one_hot(labels.long() % 255, len(CLASSES)).permute(0, 3, 1, 2).float()
    centre = targets.heat[:, None].clamp(1e-6, 1 - 1e-6).logit()
    return HeadMaps(9 * F.avg_pool2d(hot, SCALE), centre, targets.offset)


def check_scores(store, found):
    """Of each picture and of all: within 0..1, and undefined only where there is nothing."""
    total, matrix, pictures = PanopticCounts.none(len(CLASSES)), 0, []
    for index, answer in enumerate(zip(*found, strict=True)):
        labels, *tables = (part.numpy() for part in answer)
        numbers, kinds, scores, boxes = tables
        assert np.isfinite(scores).all()
        instances = Instances(map=numbers, label=kinds, score=scores, box=boxes)
        truth, answered = store.segments[index], joined_segments(labels, instances, CLASSES)
        total += panoptic_counts(truth, answered, classes=len(CLASSES))
        matrix = matrix + confusion_matrix(store.labels[index], labels, classes=len(CLASSES))
        true, hits = (object_masks(one, IS_THING) for one in (truth, answered))
        pictures.append(PictureObjects(height=SIDE, width=SIDE, truth=true, found=hits))
    for value, seen in (
        (mean_quality(total).pq, (total.tp + total.fp + total.fn).any()),
        (mean_iou(matrix), matrix.any()),
    ):
        assert 0 <= value <= 1 if seen else math.isnan(value)
    precision = average_precision(tuple(pictures), classes=len(CLASSES)).ap
    assert ((precision >= 0) & (precision <= 1) | np.isnan(precision)).all()
    assert np.isnan(precision[~IS_THING]).all()


@settings(max_examples=EXAMPLES, deadline=None, derandomize=True, phases=[Phase.generate])
@given(
    st.sets(st.sampled_from(KINDS), min_size=1),
    st.integers(0, 2**32 - 1),
    st.sampled_from(["stretch", "letterbox"]),
)
def chain(tmp_path_factory, chosen, seed, resize):
    kinds = np.random.default_rng(seed).choice(sorted(chosen), IMAGES).tolist()
    folder = tmp_path_factory.mktemp("chain")
    (folder / "originals").mkdir()
    store = cached(write(folder / "originals", kinds, seed), folder / "prepared", resize)
    labels = torch.from_numpy(np.array(store.labels))
    maps = true_maps(labels, torch.from_numpy(instance_maps(store.segments, THINGS)))
    cells = SIDE // SCALE
    grouping = Grouping(len(CLASSES), THINGS, height=cells, width=cells, scale=SCALE)
    check_scores(store, grouping(maps))
    drawn.extend(kinds)


def test_ten_thousand_label_images_go_the_whole_way(tmp_path_factory):
    drawn.clear()
    chain(tmp_path_factory)
    assert len(drawn) >= 10_000
    assert set(drawn) == set(KINDS)
