"""The fused loss equals the plain one; without a GPU, in Triton's interpreter."""

import os
import subprocess
import sys

import pytest
import torch

from maskattn_models.training.loss import enlarged_segmentation_loss, segmentation_loss

CHECK = """
import torch
import torch.nn.functional as F
from maskattn_models.training.fused_losses import enlarged_losses
from maskattn_models.training.overlap import dice_loss, dice_of_sums

torch.manual_seed(0)
for shape in ((2, 5, 3, 4), (1, 17, 2, 18), (2, 33, 1, 3)):
    batch, classes, height, width = shape
    logits = (3 * torch.randn(shape)).requires_grad_()
    labels = torch.randint(0, classes, (batch, 2 * height, 2 * width)).byte()
    labels[0, 0] = labels[-1, -1, -1] = 255
    weights = torch.rand(classes) + 0.1
    large = F.interpolate(logits, scale_factor=2, mode="bilinear")
    plain = F.cross_entropy(large, labels.long(), weights, ignore_index=255, reduction="sum")
    for overlap in (False, True):
        sums = enlarged_losses(logits, labels, weights, overlap=overlap)
        found, expected = 2 * sums.cross_entropy, 2 * plain
        if overlap:
            found = found + 30 * dice_of_sums(sums.common, sums.squares, sums.counts)
            expected = expected + 30 * dice_loss(large, labels)
        torch.testing.assert_close(found, expected)
        gradient = torch.autograd.grad(found, logits)[0]
        wanted = torch.autograd.grad(expected, logits, retain_graph=True)[0]
        torch.testing.assert_close(gradient, wanted)
print("equal")
"""


def test_the_kernels_in_the_interpreter():
    pytest.importorskip("triton", reason="Triton is not installed")
    environment = {**os.environ, "TRITON_INTERPRET": "1", "PYTHONPATH": os.pathsep.join(sys.path)}
    command = [sys.executable, "-W", "ignore", "-c", CHECK]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120)
    assert done.stdout == "equal\n", done.stderr


def test_without_a_gpu_it_is_the_plain_loss():
    coarse = torch.randn(2, 3, 4, 4)
    labels = torch.randint(0, 3, (2, 8, 8)).byte()
    large = torch.nn.functional.interpolate(coarse, scale_factor=2, mode="bilinear")
    how = {"label_smoothing": 0.0, "class_weights": None, "loss": "cross-entropy+dice"}
    found = enlarged_segmentation_loss(coarse, labels, **how)
    torch.testing.assert_close(found, segmentation_loss(large, labels, **how))


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs an NVIDIA GPU")
@pytest.mark.parametrize("classes", [11, 133, 255])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("loss", ["cross-entropy", "cross-entropy+dice"])
def test_on_a_gpu(classes, dtype, loss):
    torch.manual_seed(0)
    coarse = torch.randn(4, classes, 24, 40, device="cuda").to(dtype)
    coarse = coarse.contiguous(memory_format=torch.channels_last).requires_grad_()
    labels = torch.randint(0, classes, (4, 48, 80), device="cuda").byte()
    labels[1] = 255
    weights = torch.rand(classes, device="cuda") + 0.1
    how = {"label_smoothing": 0.0, "class_weights": weights, "loss": loss}
    fused = enlarged_segmentation_loss(coarse, labels, **how)
    fused.backward()
    found, coarse.grad = coarse.grad, None
    large = torch.nn.functional.interpolate(coarse.float(), scale_factor=2, mode="bilinear")
    plain = segmentation_loss(large, labels, **how)
    plain.backward()
    torch.testing.assert_close(fused, plain, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(found, coarse.grad, rtol=2e-2, atol=1e-6)
