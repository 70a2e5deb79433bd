"""What a network answers, on the host: labels, and objects where it tells them apart."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from maskattn_edge.segmentation import Instances
from maskattn_models.grouping import Objects
from maskattn_models.network import Deployed

_BATCH = 64


@dataclass(frozen=True, kw_only=True, eq=False)
class Answer:
    """For one image: `labels` (h, w) uint8, and `instances` for tasks that have them."""

    labels: NDArray[np.uint8]
    instances: Instances | None = None


@torch.inference_mode()
def answers(
    deployed: Deployed, images: NDArray[np.uint8], device: torch.device | None = None
) -> list[Answer]:
    """Answers for images (N, h, w, 3) uint8 RGB, in batches.

    Args:
        deployed: in evaluation mode.
        images: of the network's size.
        device: that the network is on; the CPU if not given.
    """
    found: list[Answer] = []
    for start in range(0, len(images), _BATCH):
        part = torch.from_numpy(images[start : start + _BATCH])
        found += _on_host(deployed(part if device is None else part.to(device)))
    return found


def _on_host(answer: torch.Tensor | Objects) -> list[Answer]:
    if isinstance(answer, torch.Tensor):
        return [Answer(labels=labels) for labels in answer.cpu().numpy()]
    labels, maps, kinds, scores, boxes = (part.cpu().numpy() for part in answer)
    return [
        Answer(
            labels=labels[index],
            instances=Instances(
                map=maps[index], label=kinds[index], score=scores[index], box=boxes[index]
            ),
        )
        for index in range(len(labels))
    ]
