"""PQ and the written predictions, judged by the evaluator that Cityscapes publishes.

It holds panopticapi's matching as it is. `pip install cityscapesscripts` runs this test.
"""

from __future__ import annotations

import json

import cv2
import numpy as np
import pytest

from maskattn_edge.contract.classes import ClassInfo
from maskattn_edge.scores import PanopticCounts, mean_quality, panoptic_counts
from maskattn_edge.segments import Segments
from maskattn_models.evaluation.submissions import FORMATS, Numbering, PredictedPicture

CLASSES = tuple(ClassInfo(f"class {n}", (n, n, n), thing=n % 2 == 0) for n in range(5))
IDS = (7, 24, 26, 11, 33)


def pictures(rng):
    """Truth with void and a crowd or none of each class, and an answer near it."""
    count = int(rng.integers(1, 40))
    coarse = rng.integers(0, count + 1, (9, 12))
    truth = np.kron(coarse, np.ones((5, 5), int)).astype(np.uint16)
    truth[rng.random(truth.shape) < 0.1] = 0
    label = rng.integers(0, 5, count).astype(np.uint8)
    crowd = np.zeros(count, bool)
    crowd[np.unique(label, return_index=True)[1][rng.random(len(np.unique(label))) < 0.5]] = True
    found = np.where(rng.random(truth.shape) < rng.choice([0.0, 0.2, 0.5]), 0, truth)
    found = np.where(found == 0, rng.integers(0, count + 1), found).astype(np.uint16)
    wrong = np.where(rng.random(count) < 0.2, (label + 1) % 5, label).astype(np.uint8)
    return Segments(map=truth, label=label, crowd=crowd), Segments(map=found, label=wrong)


def written(folder, segments):
    """The annotations that the format's writer makes, crowds as truth has them."""
    folder.mkdir()
    writer = FORMATS["coco-panoptic"].writer(folder, Numbering(classes=CLASSES, category_ids=IDS))
    for number, part in enumerate(segments):
        labels = part.labels()
        picture = PredictedPicture(
            stem=f"{number:03d}", image_id=number, labels=labels, segments=part
        )
        writer.add(picture)
    writer.finish()
    annotations = json.loads((folder / "panoptic.json").read_text())["annotations"]
    for entry, part in zip(annotations, segments, strict=True):
        for info in entry["segments_info"]:
            info["iscrowd"] = int(part.crowd[info["id"] - 1])
    return annotations


def test_the_published_evaluator_agrees(tmp_path):
    official = pytest.importorskip("cityscapesscripts.evaluation.evalPanopticSemanticLabeling")
    rng = np.random.default_rng(0)
    data = [pictures(rng) for _ in range(60)]
    truth = written(tmp_path / "truth", [pair[0] for pair in data])
    found = written(tmp_path / "found", [pair[1] for pair in data])
    categories = {
        number: {"isthing": int(info.thing)} for number, info in zip(IDS, CLASSES, strict=True)
    }
    folders = [str(tmp_path / name / "panoptic") for name in ("truth", "found")]
    stat = official.pq_compute_single_core(
        0, list(zip(truth, found, strict=True)), *folders, categories
    )
    counts = PanopticCounts.none(5)
    for pair in data:
        counts += panoptic_counts(*pair, classes=5)
    for index, number in enumerate(IDS):
        entry = stat[number]
        assert (entry.tp, entry.fp, entry.fn) == tuple(
            int(part[index]) for part in (counts.tp, counts.fp, counts.fn)
        )
        assert entry.iou == pytest.approx(counts.iou_sum[index], abs=1e-9)
    things = np.array([info.thing for info in CLASSES])
    for kind, which in ((None, None), (True, things), (False, ~things)):
        mean = stat.pq_average(categories, kind)[0]
        assert mean_quality(counts, which) == pytest.approx(
            (mean["pq"], mean["sq"], mean["rq"]), abs=1e-6
        )
    assert counts.tp.min() > 0
    assert counts.fp.min() > 0
    assert counts.fn.min() > 0


def test_the_pictures_are_what_the_evaluator_reads(tmp_path):
    truth, _ = pictures(np.random.default_rng(1))
    (entry,) = written(tmp_path / "truth", [truth])
    colors = cv2.imread(str(tmp_path / "truth/panoptic/000.png"))
    np.testing.assert_array_equal(colors[..., 2], truth.map)
    assert sum(info["area"] for info in entry["segments_info"]) == (truth.map > 0).sum()
