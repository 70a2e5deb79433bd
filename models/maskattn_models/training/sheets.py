"""`predictions.png` and `masks.png`: what the best weights answer, and which keys they keep."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from maskattn_edge.contract.classes import ClassInfo
from maskattn_edge.segments import joined_segments
from maskattn_models.answers import answers
from maskattn_models.data import GridStore, spread
from maskattn_models.evaluation import Shown, mask_sheet, prediction_sheet, write_sheet
from maskattn_models.keys import key_masks
from maskattn_models.network import Deployed, SegmentationNetwork

_SHOWN = 8


def write_sheets(
    folder: Path, network: SegmentationNetwork, store: GridStore, classes: Sequence[ClassInfo]
) -> None:
    """Write both sheets of samples spread over `store`; `network` is on the CPU.

    Raises:
        SinkError: a file cannot be written.
    """
    chosen = spread(range(len(store)), _SHOWN)
    images = store.images[chosen]
    deployed = Deployed(network).eval()
    found = answers(deployed, images)
    truths: list[Shown] = list(store.labels[chosen])
    predictions: list[Shown] = [answer.labels for answer in found]
    if deployed.grouping is not None and store.segments is not None:
        truths = [store.segments[index] for index in chosen]
        predictions = [joined_segments(one.labels, one.instances, classes) for one in found]
    sheet = prediction_sheet(list(images), truths, predictions, classes)
    write_sheet(folder / "predictions.png", sheet)
    if kept := key_masks(deployed, images):
        write_sheet(folder / "masks.png", mask_sheet(images, kept))
