"""How far colour and place alone go: a linear classifier of single pixels.

Run as `python -m maskattn_benchmarks.linear_pixel DIR`. A network is worth its cost only by what
it scores above this.
"""

from __future__ import annotations

import argparse
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import cv2
import numpy as np
from numpy.typing import NDArray

from maskattn_edge.contract.classes import IGNORE, read_classes
from maskattn_edge.contract.errors import DataError, MaskAttnError
from maskattn_edge.optional import require
from maskattn_edge.preprocess import fit, fit_labels
from maskattn_edge.scores.confusion import confusion_matrix, iou_per_class

Features = Literal["rgb", "rgb+position"]

GRID = 128
"""Pixels a side of the grid that is classified."""


@dataclass(frozen=True, kw_only=True)
class LinearScore:
    """What one linear classifier scores on a test split.

    Attributes:
        features: what the classifier sees of each pixel.
        iou: (K,) fractions, NaN for a class in neither truth nor prediction.
        images: how many were tested.
    """

    features: Features
    iou: NDArray[np.float64]
    images: int

    @property
    def miou(self) -> float:
        """Mean IoU over the classes that occur, from one confusion matrix of all pixels."""
        return float(np.nanmean(self.iou))


def linear_pixel(
    folder: Path, *, seed: int = 0, pixels: int = 60_000, max_images: int = 600
) -> list[LinearScore]:
    """Fit multinomial logistic regression on pixels of `train`, score it on `test`.

    Args:
        folder: a prepared folder data set.
        seed: of the choice of training pixels.
        pixels: how many to train on, from all training images alike.
        max_images: of the training split that are read.

    Returns:
        One score for RGB, one for RGB and position.

    Raises:
        DataError: the folder lacks images or masks.
        MissingDependencyError: scikit-learn is not installed.
    """
    linear = require("sklearn.linear_model", purpose="the linear baseline", extra="benchmark")
    classes = len(read_classes(folder / "classes.json"))
    rng = np.random.default_rng(seed)
    train, test = _pairs(folder, "train")[:max_images], _pairs(folder, "test")
    colors, places, truths = [], [], []
    for pair in train:
        image, labels = _load(*pair)
        chosen = rng.choice(GRID * GRID, min(GRID * GRID, 1 + pixels // len(train)), replace=False)
        known = chosen[labels.ravel()[chosen] != IGNORE]
        colors.append(image.reshape(-1, 3)[known] / 255.0)
        places.append(_positions()[known])
        truths.append(labels.ravel()[known])
    seen = {
        "rgb": np.concatenate(colors),
        "rgb+position": np.concatenate([np.concatenate(colors), np.concatenate(places)], axis=1),
    }
    truth = np.concatenate(truths)
    scores = []
    names: tuple[Features, ...] = ("rgb", "rgb+position")
    for features in names:
        model = linear.LogisticRegression(max_iter=300).fit(seen[features], truth)
        confusion = np.zeros((classes, classes), np.int64)
        for pair in test:
            image, labels = _load(*pair)
            rows = image.reshape(-1, 3) / 255.0
            if features == "rgb+position":
                rows = np.concatenate([rows, _positions()], axis=1)
            found = np.asarray(model.predict(rows), np.uint8).reshape(labels.shape)
            confusion += confusion_matrix(labels, found, classes=classes)
        scores.append(
            LinearScore(features=features, iou=iou_per_class(confusion), images=len(test))
        )
    return scores


def _pairs(folder: Path, split: str) -> list[tuple[Path, Path]]:
    """Image and mask files of a split, by name."""
    masks = {path.stem: path for path in (folder / "masks" / split).glob("*.png")}
    images = sorted((folder / "images" / split).glob("*"))
    pairs = [(path, masks[path.stem]) for path in images if path.stem in masks]
    if not pairs:
        raise DataError(
            f"{folder}: no images with masks in split {split!r}; write a data set with "
            "`maskattn-edge data prepare synthetic`"
        )
    return pairs


def _load(image_path: Path, mask_path: Path) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """RGB (GRID, GRID, 3) and labels (GRID, GRID), both uint8."""
    image = cv2.imread(str(image_path), cv2.IMREAD_COLOR)
    labels = cv2.imread(str(mask_path), cv2.IMREAD_GRAYSCALE)
    if image is None or labels is None:
        raise DataError(f"{mask_path if image is not None else image_path}: not a readable image")
    rgb = np.asarray(cv2.cvtColor(image, cv2.COLOR_BGR2RGB), np.uint8)
    fitted, _ = fit(rgb, height=GRID, width=GRID, resize="stretch")
    truth = np.asarray(labels, np.uint8)
    return fitted, fit_labels(truth, height=GRID, width=GRID, resize="stretch", outside=IGNORE)


def _positions() -> NDArray[np.float64]:
    """Row and column of each pixel in [-1, 1], (GRID * GRID, 2)."""
    axis = np.linspace(-1, 1, GRID)
    return np.stack(np.meshgrid(axis, axis, indexing="ij"), axis=-1).reshape(-1, 2)


def main(arguments: list[str] | None = None) -> int:
    """Print the scores of a data set; returns the exit status."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, metavar="DIR", help="prepared folder data set")
    parser.add_argument("--seed", type=int, default=0, help="of the choice of training pixels")
    chosen = parser.parse_args(arguments)
    try:
        scores = linear_pixel(chosen.folder, seed=chosen.seed)
        names = [info.name for info in read_classes(chosen.folder / "classes.json")]
    except MaskAttnError as error:
        print(f"error: {error}", file=sys.stderr)
        return error.exit_code
    print(f"linear classifier of single pixels, {GRID}x{GRID}, {scores[0].images} test images")
    print(f"{'IoU in %':<16}" + "".join(f"{score.features:>14}" for score in scores))
    for index, name in enumerate(names):
        cells = "".join(
            f"{'absent':>14}" if np.isnan(score.iou[index]) else f"{100 * score.iou[index]:14.1f}"
            for score in scores
        )
        print(f"{name:<16}{cells}")
    print(f"{'mean':<16}" + "".join(f"{100 * score.miou:14.1f}" for score in scores))
    return 0


if __name__ == "__main__":
    sys.exit(main())
