"""What grouping can reach at most: perfect maps, made from the truth, scored as a network's are.

    python models/studies/ceiling.py --data DIR [--like COMPOSED]

For each image of a split the truth becomes what object heads learn (Gaussians at centres, offsets,
logits that give the true classes, on the grid 1/2), goes through the grouping, and is scored on the
network's grid and at the image's own size. Beside it stand the true labels with connected regions
as objects: what a perfect semantic network would reach. --like takes the classes of another set,
such as the super-categories of one that was composed of these photographs. Prints one table, in %.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812 - the name that PyTorch's own documents use
from numpy.typing import NDArray
from renamed import renamed
from torch import Tensor

from maskattn_edge.contract.classes import IGNORE, ClassInfo, things_of
from maskattn_edge.contract.spec import InputSpec, ModelSpec, PrecisionSpec, Task
from maskattn_edge.preprocess import fit_labels
from maskattn_edge.scores import average_precision, mean_precision, mean_quality
from maskattn_edge.segment_grid import fit_segments
from maskattn_edge.segmentation import Instances, Segmentation
from maskattn_models.data import DataSet, open_dataset, spread
from maskattn_models.evaluation.answers import Segmenter
from maskattn_models.evaluation.sample import Assignment, score_sample
from maskattn_models.evaluation.tally import Tally
from maskattn_models.evaluation.truth import SampleTruth, open_truth
from maskattn_models.grouping import Grouping, HeadMaps
from maskattn_models.network import HEAD_SCALE, enlarge
from maskattn_models.training.instances import instance_map
from maskattn_models.training.object_targets import object_targets

TASKS: tuple[Task, ...] = ("panoptic", "instance")
_STEPS = 25

Answer = Callable[[SampleTruth], Segmentation]


class PerfectNetwork:
    """Answers as a network of the given input would that has learned its targets exactly."""

    def __init__(self, classes: tuple[ClassInfo, ...], input: InputSpec) -> None:
        self.classes, self.input = classes, input
        self.things = things_of(classes)
        self.grouping = Grouping(
            len(classes),
            self.things,
            height=input.height // HEAD_SCALE,
            width=input.width // HEAD_SCALE,
            scale=HEAD_SCALE,
        )
        self._thing = torch.zeros(256, 1)
        self._thing[list(self.things)] = 1.0

    def labels(self, known: SampleTruth) -> Segmentation:
        """Of a semantic network; void becomes class 0."""
        return Segmentation(labels=self._labels(known) % IGNORE, spec=self._spec("semantic"))

    def objects(self, known: SampleTruth) -> Segmentation:
        """Of a panoptic network."""
        maps = self.of(known)
        labels, numbers, kinds, scores, boxes = (part[0].numpy() for part in self.grouping(maps))
        found = Instances(map=numbers, label=kinds, score=scores, box=boxes)
        return Segmentation(labels=labels, instances=found, spec=self._spec("panoptic"))

    def of(self, known: SampleTruth) -> HeadMaps:
        """What the heads learn of one sample, which has segments."""
        assert known.segments is not None
        size = self.input
        segments = fit_segments(
            known.segments, height=size.height, width=size.width, resize=size.resize
        )
        return self.maps(self._labels(known), instance_map(segments, self.things))

    def maps(self, labels: NDArray[np.uint8], instances: NDArray[np.uint8]) -> HeadMaps:
        """What the heads learn of one picture, (h, w) uint8 both, as if they gave just that."""
        batch = torch.from_numpy(labels)[None], torch.from_numpy(instances)[None]
        targets = object_targets(*batch, self._thing, scale=HEAD_SCALE)
        return HeadMaps(
            logits=_fitted(batch[0], len(self.classes)),
            centre=targets.heat[:, None].clamp(1e-6, 1 - 1e-6).logit(),
            offset=targets.offset,
        )

    def _labels(self, known: SampleTruth) -> NDArray[np.uint8]:
        size = self.input
        return fit_labels(
            known.labels, height=size.height, width=size.width, resize=size.resize, outside=IGNORE
        )

    def _spec(self, task: Task) -> ModelSpec:
        return ModelSpec(
            name="perfect",
            task=task,
            classes=self.classes,
            input=self.input,
            precision=PrecisionSpec(name="fp32"),
        )


def _fitted(labels: Tensor, classes: int) -> Tensor:
    """Logits on the heads' grid that give labels (B, H, W) once enlarged, as far as any do.

    Neither one-hot cells nor their mean gives as fine an outline as logits can that are free.
    """
    hot = F.one_hot(labels.long() % IGNORE, classes).permute(0, 3, 1, 2)
    logits = (4 * F.avg_pool2d(hot.float(), HEAD_SCALE)).requires_grad_()
    optimizer = torch.optim.Adam([logits], lr=1.0)
    target = torch.where(labels == IGNORE, -100, labels.long())
    for _ in range(_STEPS):
        optimizer.zero_grad()
        loss = F.cross_entropy(enlarge(logits), target, reduction="sum")
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
    return logits.detach()


def scores(
    dataset: DataSet, split: str, answer: Answer, input: InputSpec, *, limit: int, min_area: int = 1
) -> list[float]:
    """PQ of all, things, stuff and mask AP, on the grid and then at full size: 8 fractions."""
    truth = open_truth(dataset, split)
    works = {
        task: Assignment(
            dataset=dataset, split=split, truth=truth, task=task, input=input, min_area=min_area
        )
        for task in TASKS
    }
    tallies = {task: [Tally.none(len(dataset.classes), task)] * 2 for task in TASKS}
    for sample in spread(dataset.split(split), limit):
        result = answer(truth.load(sample))
        for task, work in works.items():
            scored = score_sample(_giving(result), sample, work)
            grid, full = tallies[task]
            tallies[task] = [grid + scored.grid, full + scored.full]
    pairs = zip(tallies["panoptic"], tallies["instance"], strict=True)
    return [value for one, other in pairs for value in _figures(one, other, dataset)]


def _giving(result: Segmentation) -> Segmenter:
    return lambda _: result


def _figures(panoptic: Tally, instance: Tally, dataset: DataSet) -> list[float]:
    assert panoptic.panoptic is not None
    things = np.array([info.thing for info in dataset.classes], bool)
    quality = [mean_quality(panoptic.panoptic, which).pq for which in (None, things, ~things)]
    precision = average_precision(instance.objects, classes=len(dataset.classes))
    return [*quality, mean_precision(precision).ap]


def main(words: list[str]) -> None:
    """Score and print."""
    parser = argparse.ArgumentParser(description=str(__doc__).partition("\n")[0])
    parser.add_argument("--data", type=Path, required=True, help="set with instances")
    parser.add_argument("--like", type=Path, metavar="DIR", help="set whose classes are scored")
    parser.add_argument("--split", default="test")
    parser.add_argument("--height", type=int, default=128)
    parser.add_argument("--width", type=int, default=128)
    parser.add_argument("--limit", type=int, default=200, help="score at most so many images")
    given = parser.parse_args(words)
    dataset = open_dataset(given.data)
    if given.like is not None:
        dataset = renamed(dataset, open_dataset(given.like).classes)
    input = InputSpec(height=given.height, width=given.width)
    network = PerfectNetwork(dataset.classes, input)
    ways: dict[str, tuple[Answer, int]] = {"true maps, grouped": (network.objects, 1)}
    ways |= {f"true labels, regions of {n}+ cells": (network.labels, n) for n in (1, 24, 64)}
    titles = ["PQ", "things", "stuff", "AP"]
    heads = [f"{title}, {size}" for size in ("grid", "full") for title in titles]
    print(f"| {dataset.name} {given.split} | {' | '.join(heads)} |")
    print("|---|" + "---:|" * len(heads))
    for name, (answer, area) in ways.items():
        found = scores(dataset, given.split, answer, input, limit=given.limit, min_area=area)
        print(f"| {name} | {' | '.join(f'{100 * value:.1f}' for value in found)} |")


if __name__ == "__main__":
    main(sys.argv[1:])
