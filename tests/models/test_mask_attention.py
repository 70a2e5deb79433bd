"""Mask attention against a reference that gathers the kept keys, and at the edges of its numbers.

The deployed form adds `MASKED` to a masked key's scores instead of leaving the key out. Its
weight is then at most e^(lead - 20) of the best kept key's, where `lead` is how far its score is
ahead of that key's: 2e-9 at no lead, 1e-5 at a lead of 8. Tolerance in fp32: 1e-5.
"""

import math

import pytest
import torch

from maskattn_models.network import MASKED, MaskAttention, NetworkConfig, build_network

FP32 = {"rtol": 1e-5, "atol": 1e-5}
LARGEST_SCORE = 65_000
"""fp16 ends at 65,504, and the bias of a masked key must fit as well."""


def block(channels=64, *, seed=0, masked=True, mask_bias=0.0):
    """An attention block with random weights whose mask keeps about half of the keys."""
    torch.manual_seed(seed)
    attention = MaskAttention(channels, head_channels=32, masked=masked)
    with torch.no_grad():
        attention.norm.weight.uniform_(0.5, 1.5)
        attention.norm.running_mean.uniform_(-0.1, 0.1)
        attention.qkv.weight.mul_(2)
        if masked:
            attention.qkv.bias[-1] = mask_bias
    return attention.eval()


def reference(attention, x):
    """Slow and obvious: for each image, head and query, softmax over the kept keys alone."""
    d, inner = attention.head_channels, attention.heads * attention.head_channels
    out = torch.zeros(len(x), inner, *x.shape[2:])
    for b, image in enumerate(x):
        values = attention.qkv(image[None])[0].flatten(1)  # (3I + mask, N)
        count = values.shape[1]
        kept = [n for n in range(count) if not attention.masked or values[-1, n] > 0]
        kept = kept or list(range(count))  # a mask that would keep none keeps all
        for head in range(attention.heads):
            query, key, value = (
                values[part * inner + head * d : part * inner + (head + 1) * d] for part in range(3)
            )
            for n in range(count):
                scores = torch.stack([query[:, n] @ key[:, k] / math.sqrt(d) for k in kept])
                weights = scores.exp() / scores.exp().sum()
                mixed = sum(weight * value[:, k] for weight, k in zip(weights, kept, strict=True))
                out[b, head * d : (head + 1) * d, n // x.shape[3], n % x.shape[3]] = mixed
    return x + attention.norm(attention.project(out))


@pytest.mark.parametrize("seed", [0, 1, 2])
@torch.inference_mode()
def test_it_equals_the_reference_over_the_kept_keys(seed):
    attention = block(seed=seed)
    x = torch.randn(2, 64, 3, 5)
    kept = attention.key_mask(x).float().mean()
    assert 0.1 < kept < 0.9  # or the test would show nothing
    torch.testing.assert_close(attention(x), reference(attention, x), **FP32)


@torch.inference_mode()
def test_the_reference_can_tell_another_mask():
    attention, other = block(), block()
    x = torch.randn(1, 64, 3, 3)
    other.qkv.bias[-1] = 100.0
    assert (attention(x) - reference(other, x)).abs().max() > 1e-2


@torch.inference_mode()
def test_without_mask_all_keys_take_part():
    attention = block(masked=False)
    x = torch.randn(1, 64, 3, 3)
    assert attention.key_mask(x).all()
    assert attention.qkv.out_channels == 3 * 64
    torch.testing.assert_close(attention(x), reference(attention, x), **FP32)


@torch.inference_mode()
def test_a_single_kept_key_is_all_that_is_seen():
    attention = block()
    scores = torch.randn(1, 2, 9, 9)
    logit = torch.full((1, 1, 1, 9), -1.0)
    logit[..., 4] = 1e-6
    weights = attention._weights(scores, logit)
    torch.testing.assert_close(weights[..., 4], torch.ones(1, 2, 9), **FP32)


@pytest.mark.parametrize("lead", [0.0, 4.0, 8.0, 12.0])
@torch.inference_mode()
def test_a_masked_keys_weight_is_bounded_by_its_lead(lead):
    scores = torch.tensor([0.0, lead]).expand(1, 1, 2, 2)
    logit = torch.tensor([1.0, -1.0]).view(1, 1, 1, 2)
    weight = block()._weights(scores, logit)[0, 0, 0, 1].item()
    assert 0 < weight <= math.exp(lead + MASKED) * (1 + 1e-5)


@torch.inference_mode()
def test_where_every_key_is_masked_all_are_kept():
    attention = block(mask_bias=-1e4)
    x = torch.randn(2, 64, 3, 4)
    assert attention.key_mask(x).all()
    torch.testing.assert_close(attention(x), block(mask_bias=1e4)(x), **FP32)
    torch.testing.assert_close(attention(x), reference(attention, x), **FP32)


@torch.inference_mode()
def test_images_of_a_batch_have_masks_of_their_own():
    attention = block()
    attention.qkv.weight[-1].zero_()
    attention.qkv.weight[-1, 0] = 1.0  # the first channel decides
    x = torch.randn(3, 64, 2, 4)
    x[0, 0], x[1, 0] = 1.0, -1.0  # all kept, none; the third some
    x[2, 0] = torch.tensor([[1.0, -1, 1, -1], [-1, -1, -1, 1]])
    together = attention(x)
    torch.testing.assert_close(together, reference(attention, x), **FP32)
    torch.testing.assert_close(together, torch.cat([attention(one[None]) for one in x]), **FP32)


def test_training_and_inference_weigh_keys_alike():
    attention = block()
    scores, logit = torch.randn(2, 2, 12, 12), torch.randn(2, 1, 1, 12)
    inference = attention.eval()._weights(scores, logit)
    training = attention.train()._weights(scores, logit)
    torch.testing.assert_close(training, inference)
    assert inference[..., (logit < 0)[0, 0, 0]][0].max() < 1e-6


def test_where_every_key_is_masked_training_is_finite_and_equal():
    attention = block().train()
    scores = torch.randn(1, 2, 5, 5)
    none, every = (attention._weights(scores, torch.full((1, 1, 1, 5), v)) for v in (-9.0, 9.0))
    torch.testing.assert_close(none, every)


def test_a_masked_key_still_learns():
    attention = block().train()
    scores, value = torch.randn(1, 1, 4, 4), torch.randn(1, 1, 4, 8)
    logit = torch.tensor([1.0, -1.0, 2.0, -2.0]).view(1, 1, 1, 4).requires_grad_()
    (attention._weights(scores, logit) @ value).square().sum().backward()
    assert (logit.grad != 0).all()


@pytest.mark.parametrize("lead", [0.0, 10.0, 50.0])
def test_a_masked_key_far_ahead_has_a_bounded_gradient(lead):
    attention = block().train()
    scores = torch.tensor([0.0, lead, 0.0, 0.0]).expand(1, 1, 4, 4)
    logit = torch.tensor([1.0, -1.0, 1.0, 1.0]).view(1, 1, 1, 4).requires_grad_()
    value = torch.arange(4.0).view(1, 1, 4, 1)
    (attention._weights(scores, logit) @ value).sum().backward()
    assert logit.grad.abs().max() < 4 * 4  # four queries, values of at most 3


def test_the_mask_is_in_the_state_dict():
    config = NetworkConfig(classes=2, size="n", attention="masked")
    state = build_network(config).state_dict()
    inner = 64
    assert state["attention3.qkv.weight"].shape[0] == 3 * inner + 1
    assert state["attention3.qkv.bias"][-1] == 1.0  # every key kept at first


def test_a_fresh_block_changes_nothing():
    attention = MaskAttention(32, head_channels=32, masked=True).eval()
    x = torch.randn(1, 32, 4, 4)
    torch.testing.assert_close(attention(x), x)


@pytest.mark.parametrize("size", [1e-3, 1.0, 90.0])
@pytest.mark.parametrize("mask_bias", [-6e4, 0.0, 6e4])
@torch.inference_mode()
def test_inputs_of_any_size_stay_finite_in_half_precision(size, mask_bias):
    attention = block(mask_bias=mask_bias).half()
    x = (size * torch.randn(2, 64, 8, 8)).half()
    query, key, _, _ = attention.qkv(x).flatten(2).float().split(attention.parts, dim=1)
    for head in range(attention.heads):
        part = slice(32 * head, 32 * head + 32)
        scores = query[:, part].transpose(1, 2) @ key[:, part] / math.sqrt(32)
        assert scores.abs().max() < LARGEST_SCORE  # as far as is promised
    assert attention(x).isfinite().all()


@pytest.mark.parametrize("scale", [1.0, 1e3, LARGEST_SCORE])
@pytest.mark.parametrize("kept", ["none", "some", "all"])
@torch.inference_mode()
def test_scores_of_any_size_stay_finite_in_half_precision(scale, kept):
    torch.manual_seed(0)
    scores = (scale * (2 * torch.rand(1, 2, 16, 16) - 1)).half()
    scores[0, 0, 0], scores[0, 0, 1] = scale, -scale
    logit = {"none": -torch.ones(16), "some": torch.randn(16), "all": torch.ones(16)}[kept]
    weights = block()._weights(scores, (6e4 * logit).clamp(-6e4, 6e4).half().view(1, 1, 1, 16))
    assert weights.dtype == torch.float16
    assert weights.isfinite().all()
    torch.testing.assert_close(weights.float().sum(-1), torch.ones(1, 2, 16), rtol=0, atol=2e-3)


@torch.inference_mode()
def test_half_precision_differs_by_rounding_only():
    attention, x = block(), torch.randn(1, 64, 8, 8)
    half = block().half()(x.half()).float()
    torch.testing.assert_close(half, attention(x), rtol=2e-2, atol=2e-2)
