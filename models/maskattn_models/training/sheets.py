"""`predictions.png` and `masks.png`: what the best weights answer, and which keys they keep."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch

from maskattn_edge.contract.classes import ClassInfo
from maskattn_models.data import GridStore, spread
from maskattn_models.evaluation import mask_sheet, prediction_sheet, write_sheet
from maskattn_models.keys import key_masks
from maskattn_models.network import Deployed, SegmentationNetwork
from maskattn_models.training.validation import predict

_SHOWN = 8


def write_sheets(
    folder: Path, network: SegmentationNetwork, store: GridStore, classes: Sequence[ClassInfo]
) -> None:
    """Write both sheets of samples spread over `store`; `network` is on the CPU.

    Raises:
        SinkError: a file cannot be written.
    """
    chosen = spread(range(len(store)), _SHOWN)
    images, truths = store.images[chosen], store.labels[chosen]
    deployed = Deployed(network).eval()
    predictions = predict(deployed, images, torch.device("cpu"))
    sheet = prediction_sheet(list(images), list(truths), list(predictions), classes)
    write_sheet(folder / "predictions.png", sheet)
    if kept := key_masks(deployed, images):
        write_sheet(folder / "masks.png", mask_sheet(images, kept))
