"""Validation: one confusion matrix of a whole split, on the network's grid."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray

from maskattn_edge.scores import confusion_matrix
from maskattn_models.data import GridStore
from maskattn_models.network import Deployed

_BATCH = 64


@torch.inference_mode()
def predict(
    deployed: Deployed, images: NDArray[np.uint8], device: torch.device
) -> NDArray[np.uint8]:
    """Labels (N, h, w) uint8 of images (N, h, w, 3) uint8, by the network as it is deployed."""
    parts = [
        deployed(torch.from_numpy(images[start : start + _BATCH]).to(device)).cpu().numpy()
        for start in range(0, len(images), _BATCH)
    ]
    return np.concatenate(parts)


def validate(
    deployed: Deployed, store: GridStore, *, classes: int, device: torch.device
) -> NDArray[np.int64]:
    """Confusion matrix of a split, (classes, classes); rows are truth, columns prediction."""
    total = np.zeros((classes, classes), np.int64)
    for start in range(0, len(store), _BATCH):
        part = slice(start, start + _BATCH)
        labels = predict(deployed, store.images[part], device)
        total += confusion_matrix(store.labels[part], labels, classes=classes)
    return total
