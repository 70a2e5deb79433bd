r"""The same images as several networks see them: a picture of their objects beside the truth.

    python models/studies/side_by_side.py runs/objects/panoptic/seed0/best.pt \
        runs/objects/semantic/seed0/best.pt --data DIR --out objects.png

Each model is a checkpoint or a model file; of a semantic one each connected region of a thing class
is an object, if it has --min-area cells. Images are spread over the split.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from maskattn_edge.segments import Segments
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


def main(arguments: Sequence[str]) -> None:
    """Parse, let each model answer, draw."""
    parser = argparse.ArgumentParser(description=str(__doc__).splitlines()[0])
    parser.add_argument("models", type=Path, nargs="+", metavar="MODEL_OR_CKPT")
    parser.add_argument("--data", type=Path, required=True, help="set with instances")
    parser.add_argument("--out", type=Path, required=True, metavar="FILE.png")
    parser.add_argument("--split", default="test")
    parser.add_argument("--count", type=int, default=5, help="images to show")
    parser.add_argument("--min-area", type=int, default=64, metavar="CELLS")
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
    sheet = comparison_sheet([one.image for one in known], columns, dataset.classes)
    write_sheet(given.out, sheet)
    print(f"written to {given.out}")


if __name__ == "__main__":
    main(sys.argv[1:])
