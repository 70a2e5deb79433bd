"""Knowledge distillation: a network also learns the answers of a trained, larger one.

Source: arxiv.org/abs/1503.02531.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import zip_longest

import torch
from torch import Tensor

from maskattn_edge.contract.classes import ClassInfo
from maskattn_edge.contract.errors import UsageError
from maskattn_edge.preprocess import Resize
from maskattn_models.checkpoint import Checkpoint
from maskattn_models.network import Deployed, NetworkConfig


def distillation_loss(student: Tensor, teacher: Tensor, *, temperature: float) -> Tensor:
    """Mean over pixels of T^2 KL(teacher || student), both softened by the temperature T.

    T^2 keeps the size of the gradients whatever T is.

    Args:
        student: logits (B, K, H, W), of any floating type.
        teacher: logits of the same shape; no gradient reaches them.
        temperature: T, above 0; a high one shows how wrong answers compare.

    Returns:
        () float32, 0 or more.
    """
    log_student = (student.float() / temperature).log_softmax(1)
    log_teacher = (teacher.detach().float() / temperature).log_softmax(1)
    divergence = (log_teacher.exp() * (log_teacher - log_student)).sum(1)  # (B, H, W)
    return temperature**2 * divergence.mean()


class Teacher:
    """A trained network in evaluation mode, with its own normalisation.

    Raises:
        CheckpointError: its weights do not fit its configuration.
    """

    def __init__(self, checkpoint: Checkpoint, device: torch.device) -> None:
        network = checkpoint.build().requires_grad_(False)
        self._deployed = Deployed(network.to(memory_format=torch.channels_last)).to(device)

    @torch.no_grad()
    def logits(self, pixels: Tensor) -> Tensor:
        """Logits (B, K, H, W) of augmented images, (B, H, W, 3) float32 in 0..255."""
        logits: Tensor = self._deployed.network(self._deployed.normalize(pixels))
        return logits


def check_teacher(
    teacher: Checkpoint, classes: Sequence[ClassInfo], config: NetworkConfig, resize: Resize
) -> None:
    """See that a teacher answers the question that the student is asked.

    Raises:
        UsageError: it has other classes, or sees images otherwise.
    """
    theirs, ours = ([info.name for info in infos] for infos in (teacher.classes, classes))
    for index, (their, our) in enumerate(zip_longest(theirs, ours)):
        if their != our:
            raise UsageError(
                f"class {index} is {their or 'missing'!r} for the teacher, {our or 'missing'!r} in "
                "the data set: choose a teacher that was trained on the same classes"
            )
    seen = teacher.input
    if (seen.height, seen.width, seen.resize) != (config.height, config.width, resize):
        raise UsageError(
            f"the teacher sees images of {seen.height}x{seen.width} by {seen.resize}, this run "
            f"{config.height}x{config.width} by {resize}: choose the same --height, --width and "
            "--resize"
        )
