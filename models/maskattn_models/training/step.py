"""One training step, from a batch's indices to new weights, that never waits for the device."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn

from maskattn_models.grouping import HeadMaps
from maskattn_models.network import HEAD_SCALE, Deployed, MaskAttnUNet, NetworkConfig, enlarge
from maskattn_models.training.augment import augment
from maskattn_models.training.batch import Batch
from maskattn_models.training.batches import Batches
from maskattn_models.training.contrastive import instance_contrastive_loss
from maskattn_models.training.device import autocast
from maskattn_models.training.distillation import Teacher, distillation_loss
from maskattn_models.training.key_target import KeyTarget
from maskattn_models.training.loss import (
    enlarged_segmentation_loss,
    labelled_weight,
    segmentation_loss,
)
from maskattn_models.training.object_loss import object_loss
from maskattn_models.training.object_targets import SLOTS, ObjectTask, cell_instances
from maskattn_models.training.ranks import Ranks
from maskattn_models.training.schedule import ema_decay, learning_rate
from maskattn_models.training.settings import TrainingSettings
from maskattn_models.training.state import RunState


class _Answers(NamedTuple):
    """Of a batch, on the heads' grid: logits (B, K, h, w), maps, embeddings (B, E, h, w).

    `taught`, the teacher's logits, are of the input's size; so are the logits of a peer.
    """

    logits: Tensor
    maps: HeadMaps | None
    embeddings: Tensor | None
    taught: Tensor | None


class TrainingStep:
    """A function without arguments or result: what it reads and changes lies in fixed tensors.

    So it may be captured in a CUDA graph and replayed. Which batch is next, the learning rate
    and the share of the average are computed on the device from counters that lie there.

    Args:
        state: of the run; the step changes it.
        batches: where images come from.
        config: of the network.
        settings: of the run.
        ranks: that share the batch.
        steps: of an epoch.
        class_weights: (K,) float32 on the device, or None for equal ones.
        teacher: whose answers are learned beside the labels.
    """

    def __init__(
        self,
        state: RunState,
        batches: Batches,
        config: NetworkConfig,
        settings: TrainingSettings,
        *,
        ranks: Ranks,
        steps: int,
        class_weights: Tensor | None,
        teacher: Teacher | None = None,
    ) -> None:
        self.state = state
        self.losses = torch.zeros(steps, device=state.device)
        self.position = torch.zeros(1, dtype=torch.int64, device=state.device)
        self._batches = batches
        self._settings = settings
        self._ranks = ranks
        self._size = (config.height, config.width)
        self._class_weights = class_weights
        self._teacher = teacher
        share = settings.mask_share
        self._keys = None if share is None else KeyTarget(state.network, share)
        self._objects = ObjectTask(config, state.device) if config.finds_objects else None
        self._deployed = Deployed(state.network).to(state.device)
        self._parameters = [p for p in state.trained.parameters() if p.requires_grad]
        self._total = settings.epochs * steps

    def restart(self) -> None:
        """Go to the beginning of an epoch."""
        self.position.zero_()
        self.losses.zero_()
        self.state.trained.train()

    def __call__(self) -> None:
        """Train on the batch at `position`, note its loss in `losses`, and move on."""
        state, settings, (height, width) = self.state, self._settings, self._size
        batch = augment(
            self._batches.batch(self.position),
            settings.augment,
            state.generator,
            height=height,
            width=width,
        )
        loss = self._gradients(batch)
        # One odd batch must not fill Adam's second moments for a thousand steps.
        nn.utils.clip_grad_norm_(self._parameters, settings.gradient_clip)
        self._set_learning_rate()
        state.optimizer.step()
        state.average.update(state.network, ema_decay(state.step, decay=settings.ema_decay))
        self.losses.index_copy_(0, self.position, loss.reshape(1))
        # Around at the end: steps to warm up may be more than an epoch has.
        self.position.add_(1).remainder_(len(self.losses))
        state.step.add_(1)

    def _gradients(self, batch: Batch) -> Tensor:
        """Gradients of the mean loss over all ranks' labelled pixels; that loss, ().

        Cross-entropy and Dice are the same on any number of ranks. Lovasz, and a loss of objects,
        instances or a teacher, is the mean of the ranks' own, weighted by their labelled pixels.
        """
        share = self._ranks.share(labelled_weight(batch.labels, self._class_weights))
        state, loss = self.state, self._loss(batch, share)
        if self._keys is not None:
            loss = loss + self._settings.mask_weight * self._keys.loss()
        if share is not None:
            loss = loss * share
        # None, not zero: the first gradients of a capture then come from the graph's own memory.
        state.optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        gradients = [p.grad for p in self._parameters if p.grad is not None]
        return self._ranks.add_up(gradients, loss.detach())

    def _loss(self, batch: Batch, share: Tensor | None) -> Tensor:
        """() float32 of an augmented batch, of which this rank has `share`."""
        settings, answers = self._settings, self._answers(batch)
        ours = isinstance(self.state.network, MaskAttnUNet)
        loss = (enlarged_segmentation_loss if ours else segmentation_loss)(
            answers.logits,
            batch.labels,
            label_smoothing=settings.label_smoothing,
            class_weights=self._class_weights,
            loss=settings.loss,
            total=lambda sums: self._ranks.total(sums, share),
        )
        if answers.taught is not None:
            large = enlarge(answers.logits.float()) if ours else answers.logits.float()
            copied = distillation_loss(
                large, answers.taught, temperature=settings.teacher_temperature
            )
            loss = (1 - settings.teacher_weight) * loss + settings.teacher_weight * copied
        if self._objects is not None and answers.maps is not None:
            loss = loss + object_loss(
                answers.maps,
                self._objects(batch),
                centre_weight=settings.centre_weight,
                offset_weight=settings.offset_weight,
            )
        if answers.embeddings is not None:
            told_apart = instance_contrastive_loss(
                answers.embeddings, cell_instances(batch, scale=HEAD_SCALE), most=SLOTS - 1
            )
            loss = loss + settings.contrastive_weight * told_apart
        return loss

    def _answers(self, batch: Batch) -> _Answers:
        state, maps, embeddings = self.state, None, None
        with autocast(state.device, self._settings.precision):
            normal = self._deployed.normalize(batch.images)
            network = state.network
            if not isinstance(network, MaskAttnUNet):
                logits = network(normal)
            elif self._objects is None:
                logits = network.coarse(normal)
            else:
                decoded = network.decode(normal)
                maps = network.maps(decoded)
                logits = maps.logits
                embeddings = None if state.embedding is None else state.embedding(decoded)
            taught = None if self._teacher is None else self._teacher.logits(batch.images)
        return _Answers(logits, maps, embeddings, taught)

    def _set_learning_rate(self) -> None:
        rate = learning_rate(
            self.state.step,
            peak=self._settings.peak_learning_rate,
            warmup_steps=round(self._settings.warmup * self._total),
            total_steps=self._total,
        )
        self.state.lr.copy_(rate)
