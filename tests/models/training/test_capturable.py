"""No loss waits for the device or has a shape that depends on values.

Tensors on the device `meta` have no values, so that whatever asks for one fails, as it would
while a CUDA graph is captured.
"""

import pytest
import torch

from maskattn_models.grouping import HeadMaps
from maskattn_models.training.contrastive import instance_contrastive_loss
from maskattn_models.training.distillation import distillation_loss
from maskattn_models.training.loss import segmentation_loss
from maskattn_models.training.object_loss import object_loss
from maskattn_models.training.object_targets import object_targets
from maskattn_models.training.settings import LOSSES


def meta(*shape, dtype=torch.float32):
    return torch.empty(shape, dtype=dtype, device="meta", requires_grad=dtype.is_floating_point)


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("loss", LOSSES)
def test_segmentation_losses(loss, weighted):
    logits, labels = meta(2, 5, 8, 8), meta(2, 8, 8, dtype=torch.uint8)
    weights = torch.empty(5, device="meta") if weighted else None
    how = {"label_smoothing": 0.1, "class_weights": weights}
    segmentation_loss(logits, labels, **how, loss=loss).backward()
    assert logits.grad.shape == logits.shape


@pytest.mark.parametrize("dtype", [torch.uint8, torch.int16])
def test_instance_contrastive_loss(dtype):
    embeddings = meta(2, 4, 8, 8)
    instance_contrastive_loss(embeddings, meta(2, 8, 8, dtype=dtype), most=6).backward()
    assert embeddings.grad.shape == embeddings.shape


def test_object_targets_and_loss():
    labels, instances = meta(2, 16, 16, dtype=torch.uint8), meta(2, 16, 16, dtype=torch.int16)
    targets = object_targets(labels, instances, torch.empty(256, 1, device="meta"), scale=2)
    maps = HeadMaps(meta(2, 5, 8, 8), meta(2, 1, 8, 8), meta(2, 2, 8, 8))
    object_loss(maps, targets, centre_weight=1.0, offset_weight=1.0).backward()
    assert maps.offset.grad.shape == maps.offset.shape


def test_distillation_loss():
    student = meta(2, 4, 8, 8)
    distillation_loss(student, meta(2, 4, 8, 8), temperature=2.0).backward()
    assert student.grad.shape == student.shape


@pytest.mark.parametrize(
    "waits", [lambda x: x.sum().item(), lambda x: x[x > 0], lambda x: bool((x > 0).all())]
)
def test_the_checks_above_can_fail(waits):
    with pytest.raises((RuntimeError, NotImplementedError)):
        waits(meta(3))
