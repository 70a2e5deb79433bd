"""What the losses of a panoptic checkpoint pull at, on images that it was trained on and on others.

    python models/studies/loss_balance.py runs/panoptic/seed0/best.pt --data DIR

For some images of each split: each loss with its usual weight (of the classes, cross-entropy), and
the norm of its gradient in what all heads see, by that of the classes; how far offsets miss their
centre, beside how long they are; and the chance that the heat map gives to true centres. What
differs between the splits was not learned in a way that holds for new objects; what is alike and
poor was not learned.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor

from maskattn_edge.contract.classes import IGNORE, things_of
from maskattn_edge.preprocess import fit, fit_labels
from maskattn_edge.segment_grid import fit_segments
from maskattn_models.checkpoint import LoadedNetwork, load_network
from maskattn_models.data import DataSet, Sample, load_segments, open_dataset, spread
from maskattn_models.grouping import OFFSET_CELLS
from maskattn_models.network import HEAD_SCALE
from maskattn_models.training.instances import instance_map
from maskattn_models.training.loss import enlarged_segmentation_loss
from maskattn_models.training.object_loss import centre_loss, offset_loss
from maskattn_models.training.object_targets import object_targets
from maskattn_models.training.settings import TrainingSettings


def read(network: LoadedNetwork, dataset: DataSet, sample: Sample) -> tuple[Tensor, Tensor, Tensor]:
    """Image (h, w, 3), labels and instances (h, w) on the network's grid, uint8 all."""
    image, segments = load_segments(sample, dataset)
    height, width, resize = network.input.height, network.input.width, network.input.resize
    fitted, _ = fit(image, height=height, width=width, resize=resize)
    labels = fit_labels(
        segments.labels(crowds=False), height=height, width=width, resize=resize, outside=IGNORE
    )
    cells = fit_segments(segments, height=height, width=width, resize=resize)
    numbers = instance_map(cells, things_of(network.classes))
    return torch.from_numpy(fitted), torch.from_numpy(labels), torch.from_numpy(numbers)


def balance(network: LoadedNetwork, dataset: DataSet, samples: Sequence[Sample]) -> list[str]:
    """The cells of a split's row."""
    parts = [read(network, dataset, sample) for sample in samples]
    image, labels, instances = (torch.stack(part) for part in zip(*parts, strict=True))
    thing = torch.zeros(256, 1)
    thing[list(things_of(network.classes))] = 1.0
    targets = object_targets(labels, instances, thing, scale=HEAD_SCALE)
    module, usual = network.module.network, TrainingSettings
    with torch.no_grad():
        seen = module.decode(network.module.normalize(image.float()))
    maps = module.maps(seen.requires_grad_())
    losses = (
        enlarged_segmentation_loss(maps.logits, labels, label_smoothing=0, class_weights=None),
        usual.centre_weight * centre_loss(maps.centre[:, 0], targets.heat, targets.known),
        usual.offset_weight * offset_loss(maps.offset, targets.offset, targets.inside),
    )
    pulls = [torch.autograd.grad(loss, seen, retain_graph=True)[0].norm().item() for loss in losses]
    inside = targets.inside > 0
    missed = (maps.offset - targets.offset).norm(dim=1)[inside] * OFFSET_CELLS
    length = targets.offset.norm(dim=1)[inside] * OFFSET_CELLS
    chance = maps.centre[:, 0].sigmoid()[targets.heat > 0.999]
    pairs = zip(losses, pulls, strict=True)
    return [
        *(f"{loss.item():.2f} / {pull / pulls[0]:.1f}" for loss, pull in pairs),
        f"{missed.median().item():.1f} of {length.median().item():.1f}",
        f"{chance.median().item():.2f}",
    ]


def main(words: Sequence[str]) -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=str(__doc__).partition("\n")[0])
    parser.add_argument("checkpoint", type=Path, help="with heads, trained with the usual weights")
    parser.add_argument("--data", type=Path, required=True, help="that it was trained on")
    parser.add_argument("--limit", type=int, default=32, help="images of each split")
    given = parser.parse_args(words)
    network, dataset = load_network(given.checkpoint), open_dataset(given.data)
    if network.module.grouping is None:
        parser.error(f"{given.checkpoint} tells no objects apart; give a panoptic checkpoint")
    print("| loss / gradient | classes | centres | offsets | miss, cells | chance at centres |")
    print("|---|" + "--:|" * 5)
    for split in ("train", "val"):
        row = balance(network, dataset, spread(dataset.split(split), given.limit))
        print(f"| {split} | {' | '.join(row)} |")


if __name__ == "__main__":
    main(sys.argv[1:])
