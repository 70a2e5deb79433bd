"""Measure a prepared data set: how long it takes to open, and how fast it feeds one core.

    python models/studies/feeding.py

Writes two sets into a temporary folder by way of `data prepare`'s own conversion: one with as
many pictures as COCO's training split, tiny ones, for opening does not depend on their size; and
one of `--images` pictures at 128x128, read in random batches until `--seconds` have passed. The
pictures are generated scenes with segments. On a shared machine the best of several repeats says
what the code can do, the least what it was left. The second set is read from the page cache: it was
just written. Prints one line for each measurement.
"""

from __future__ import annotations

import argparse
import platform
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import cv2
import numpy as np
import torch

from maskattn_edge.contract.classes import things_of
from maskattn_edge.synthetic import CLASSES, render_image
from maskattn_models.data import ConversionSettings, DataSet, Sample, decode_split, open_dataset
from maskattn_models.data.conversion import Origin, convert
from maskattn_models.data.dataset import EVERY_TASK
from maskattn_models.data.grids import GridStore
from maskattn_models.training.batches import open_batches

COCO_TRAIN = 118_287
_DIFFERENT = 64  # scenes; each is listed many times
_SIDE = 128
_BATCH = 32


def main(words: list[str]) -> None:
    """Write, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--images", type=int, default=10_000, help="of the set that is read")
    parser.add_argument("--listed", type=int, default=COCO_TRAIN, help="of the set that is opened")
    parser.add_argument("--seconds", type=float, default=5.0, help="to read for, each time")
    parser.add_argument("--repeats", type=int, default=5, help="of each way to read")
    given = parser.parse_args(words)
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    print(f"{time.strftime('%Y-%m-%d')}, {platform.machine()}, torch {torch.__version__}, 1 thread")
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        long = _prepared(folder / "long", given.listed, side=8)
        start = time.perf_counter()
        open_dataset(long)
        print(f"opening {given.listed:,} images: {time.perf_counter() - start:.2f} s")
        wide = open_dataset(_prepared(folder / "wide", given.images, side=_SIDE))
        store = decode_split(
            wide, "train", height=_SIDE, width=_SIDE, resize="stretch", segments=True
        )
        start = time.perf_counter()
        ways = {
            "images and labels": _loader(store, ()),
            "images, labels and instances": _loader(store, things_of(CLASSES)),
            "the arrays with segment maps": lambda: _arrays(store),
        }
        print(
            f"instances of {len(store):,} images, once a run: {time.perf_counter() - start:.2f} s"
        )
        for what, read in ways.items():
            rates = sorted(_rate(read, given.seconds) for _ in range(given.repeats))
            print(
                f"{what} at {_SIDE}x{_SIDE}, batches of {_BATCH}: {rates[-1]:,.0f} images/s, "
                f"the best of {given.repeats}; the least {rates[0]:,.0f}"
            )


def _scenes(folder: Path, side: int) -> list[Sample]:
    folder.mkdir()
    samples = []
    for index in range(_DIFFERENT):
        frame = render_image(index, height=_SIDE, width=_SIDE)
        parts = {"image": frame.image_bgr, "mask": frame.labels, "instances": frame.instances}
        for name, picture in parts.items():
            scaled = cv2.resize(picture, (side, side), interpolation=cv2.INTER_NEAREST)
            assert cv2.imwrite(str(folder / f"{name}{index}.png"), scaled)
        samples.append(Sample(*(folder / f"{name}{index}.png" for name in parts)))
    return samples


def _prepared(folder: Path, count: int, *, side: int) -> Path:
    scenes = _scenes(folder.with_name(f"{folder.name}-scenes"), side)
    dataset = DataSet(
        name="scenes",
        root=scenes[0].image.parent,
        classes=CLASSES,
        splits={"train": tuple(scenes[index % len(scenes)] for index in range(count))},
        tasks=EVERY_TASK,
    )
    convert(
        dataset,
        folder,
        ConversionSettings(height=side, width=side, working_scale=1.0),
        Origin(reader="folder", source=dataset.root),
        splits=["train"],
        progress=lambda *_: None,
    )
    return folder


def _rate(read: Callable[[], Iterator[int]], seconds: float) -> float:
    """Images a second; the first pass over the set is not counted."""
    for _ in read():
        pass
    images, start = 0, time.perf_counter()
    while (passed := time.perf_counter() - start) < seconds:
        for count in read():
            images += count
            if time.perf_counter() - start >= seconds:
                break
    return images / passed


def _loader(store: GridStore, things: tuple[int, ...]) -> Callable[[], Iterator[int]]:
    """Batches as training takes them."""
    steps = len(store) // _BATCH
    batches = open_batches(
        store,
        steps=steps,
        size=_BATCH,
        device=torch.device("cpu"),
        resident_share=1.0,
        things=things,
    )

    def read() -> Iterator[int]:
        batches.start(torch.randperm(len(store))[: steps * _BATCH].reshape(steps, _BATCH))
        for step in range(steps):
            batches.take(step)
            yield len(batches.batch(torch.tensor([step])).images)

    return read


def _arrays(store: GridStore) -> Iterator[int]:
    """Batches of all that is stored, through NumPy."""
    order = np.random.default_rng(0).permutation(len(store))
    assert store.segments is not None
    for first in range(0, len(order), _BATCH):
        chosen = order[first : first + _BATCH]
        images, _, _ = store.images[chosen], store.labels[chosen], store.segments.maps[chosen]
        yield len(images)


if __name__ == "__main__":
    main(sys.argv[1:])
