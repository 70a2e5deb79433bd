r"""The same images as several networks see them: a picture of their objects beside the truth.

    python models/studies/side_by_side.py runs/objects/panoptic/seed0/best.pt \
        runs/objects/semantic/seed0/best.pt --data DIR --out objects.png

Each model is a checkpoint or a model file; of a semantic one each connected region of a thing class
is an object, if it has --min-area cells. Images are spread over the split. --objects-only leaves
the images out and shows all that is no object alike: to pass on where photographs can't be.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from maskattn_edge.contract.classes import ClassInfo
from maskattn_edge.segments import VOID, Segments
from maskattn_models.data import DataSet, open_dataset, spread
from maskattn_models.evaluation import (
    Assignment,
    Shown,
    comparison_sheet,
    open_predictor,
    open_truth,
    write_sheet,
)
from maskattn_models.evaluation.sample import score_sample


def column(
    path: Path, dataset: DataSet, split: str, *, count: int, min_area: int
) -> tuple[str, list[Segments]]:
    """A model's heading, and the objects that it finds in `count` images, at their own size."""
    with open_predictor(path) as model:
        work = Assignment(
            dataset=dataset,
            split=split,
            truth=open_truth(dataset, split),
            task="instance" if model.task == "instance" else "panoptic",
            input=model.input,
            min_area=min_area,
        )
        samples = spread(dataset.split(split), count)
        scored = [score_sample(model.answer, sample, work) for sample in samples]
        regions = f", regions of {min_area}+ cells" if model.task == "semantic" else ""
        return model.task + regions, [one.found for one in scored if one.found is not None]


NO_OBJECT = ClassInfo(name="no object", color=(225, 225, 225))


def objects_of(segments: Segments, classes: Sequence[ClassInfo]) -> Segments:
    """The segments of thing classes; everything else is one segment of the class after the last."""
    things = [n for n, label in enumerate(segments.label, start=1) if classes[label].thing]
    numbers = np.zeros(len(segments.label) + 1, np.uint16)
    numbers[things] = np.arange(1, len(things) + 1)
    found = numbers[segments.map]
    return Segments(
        map=np.where(found == VOID, np.uint16(len(things) + 1), found),
        label=np.append(segments.label[np.array(things, int) - 1], np.uint8(len(classes))),
    )


def main(arguments: Sequence[str]) -> None:
    """Parse, let each model answer, draw."""
    parser = argparse.ArgumentParser(description=str(__doc__).splitlines()[0])
    parser.add_argument("models", type=Path, nargs="+", metavar="MODEL_OR_CKPT")
    parser.add_argument("--data", type=Path, required=True, help="set with instances")
    parser.add_argument("--out", type=Path, required=True, metavar="FILE.png")
    parser.add_argument("--split", default="test")
    parser.add_argument("--count", type=int, default=5, help="images to show")
    parser.add_argument("--min-area", type=int, default=64, metavar="CELLS")
    parser.add_argument("--objects-only", action="store_true", help="no images, and no stuff")
    given = parser.parse_args(arguments)
    dataset = open_dataset(given.data)
    truth = open_truth(dataset, given.split)
    known = [truth.load(sample) for sample in spread(dataset.split(given.split), given.count)]
    columns: dict[str, Sequence[Shown]] = {
        "truth": [one.labels if one.segments is None else one.segments for one in known]
    }
    for number, path in enumerate(given.models, start=1):
        heading, found = column(
            path, dataset, given.split, count=given.count, min_area=given.min_area
        )
        columns[f"{number}: {heading}"] = found
    images, classes = [one.image for one in known], dataset.classes
    if given.objects_only:
        for heading, shown in columns.items():
            columns[heading] = [
                objects_of(one, classes) for one in shown if isinstance(one, Segments)
            ]
        sheet = comparison_sheet(None, columns, (*classes, NO_OBJECT))
    else:
        sheet = comparison_sheet(images, columns, classes)
    write_sheet(given.out, sheet)
    print(f"written to {given.out}")


if __name__ == "__main__":
    main(sys.argv[1:])
