import math

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from maskattn_edge.contract.errors import ContractError, UsageError
from maskattn_models.network import (
    MASKED,
    Deployed,
    MaskAttention,
    NetworkConfig,
    build_network,
)

SIZES = ["n", "s", "m", "l"]


@pytest.fixture(scope="module")
def networks():
    return {size: build_network(NetworkConfig(classes=133, size=size)).eval() for size in SIZES}


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


def slow_attention(attention, x):
    """Attention over the kept keys alone, one query at a time."""
    inner = attention.heads * attention.head_channels
    out = torch.empty(len(x), inner, *x.shape[2:])
    for b in range(len(x)):
        tokens = attention.qkv(x[b : b + 1])[0].flatten(1)  # (3I + 1, N)
        kept = attention.key_mask(x[b : b + 1])[0].flatten()
        for head in range(attention.heads):
            part = slice(head * attention.head_channels, (head + 1) * attention.head_channels)
            query, key, value = (tokens[:inner], tokens[inner : 2 * inner], tokens[2 * inner :])
            key, value = key[part][:, kept], value[:inner][part][:, kept]
            for n in range(tokens.shape[1]):
                score = query[part][:, n] @ key / math.sqrt(attention.head_channels)
                mixed = (score.softmax(0) * value).sum(1)
                out[b, part, n // x.shape[3], n % x.shape[3]] = mixed
    return x + attention.norm(attention.project(out))


@pytest.mark.parametrize("size", SIZES)
def test_logits_and_labels_have_the_images_size(networks, size):
    image = torch.randint(0, 256, (1, 128, 128, 3), dtype=torch.uint8)
    with torch.inference_mode():
        assert networks[size](torch.zeros(1, 3, 128, 128)).shape == (1, 133, 128, 128)
        labels = Deployed(networks[size])(image)
    assert labels.shape == (1, 128, 128)
    assert labels.dtype == torch.uint8


def test_an_oblong_input_works():
    network = build_network(NetworkConfig(classes=3, size="n", height=32, width=64)).eval()
    assert network(torch.zeros(2, 3, 32, 64)).shape == (2, 3, 32, 64)


@pytest.mark.parametrize(
    ("size", "low", "high"),
    [("n", 0.255, 0.345), ("s", 0.85, 1.15), ("m", 2.55, 3.45), ("l", 5, 11)],
)
def test_operations_keep_to_the_sizes_budget(networks, size, low, high):
    with torch.inference_mode(), FlopCounterMode(display=False) as counter:
        networks[size](torch.zeros(1, 3, 128, 128))
    assert low <= counter.get_total_flops() / 1e9 <= high


@pytest.mark.parametrize(("size", "most"), [("n", 0.45), ("s", 1.7), ("m", 5.5), ("l", 14)])
def test_parameters_stay_few(networks, size, most):
    assert sum(p.numel() for p in networks[size].parameters()) / 1e6 <= most


@pytest.mark.parametrize("seed", [0, 1, 2])
@torch.inference_mode()
def test_attention_equals_slow_attention_over_the_kept_keys(seed):
    attention = block(seed=seed)
    x = torch.randn(2, 64, 4, 6)
    kept = attention.key_mask(x).float().mean()
    assert 0.1 < kept < 0.9  # or the test would show nothing
    torch.testing.assert_close(attention(x), slow_attention(attention, x), rtol=1e-4, atol=1e-4)


@torch.inference_mode()
def test_without_mask_all_keys_take_part():
    attention = block(masked=False)
    x = torch.randn(1, 64, 3, 3)
    assert attention.key_mask(x).all()
    assert attention.qkv.out_channels == 3 * 64
    torch.testing.assert_close(attention(x), slow_attention(attention, x), rtol=1e-4, atol=1e-4)


def test_training_and_inference_weigh_keys_alike():
    attention = block()
    scores, logit = torch.randn(2, 2, 12, 12), torch.randn(2, 1, 1, 12)
    inference = attention.eval()._weights(scores, logit)
    training = attention.train()._weights(scores, logit)
    torch.testing.assert_close(training, inference)
    assert inference[..., (logit < 0)[0, 0, 0]][0].max() < 1e-6


@torch.inference_mode()
def test_where_every_key_is_masked_all_are_kept():
    masked, unmasked = block(mask_bias=-1e4), block(mask_bias=1e4)
    x = torch.randn(2, 64, 4, 4)
    assert masked.key_mask(x).all()
    assert masked(x).isfinite().all()
    torch.testing.assert_close(masked(x), unmasked(x))


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
    state = build_network(NetworkConfig(classes=2, size="n")).state_dict()
    inner = 64
    assert state["attention3.qkv.weight"].shape[0] == 3 * inner + 1
    assert state["attention3.qkv.bias"][-1] == 1.0  # every key kept at first


@torch.inference_mode()
def test_attention_is_finite_in_half_precision():
    attention = block().half()
    x = 10 * torch.randn(1, 64, 8, 8, dtype=torch.float16)
    assert math.exp(MASKED) < 1e-8
    assert attention(x).isfinite().all()


def test_a_fresh_block_changes_nothing():
    attention = MaskAttention(32, head_channels=32, masked=True).eval()
    x = torch.randn(1, 32, 4, 4)
    torch.testing.assert_close(attention(x), x)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"size": "xl"}, "unknown size 'xl'; available: n, s, m, l"),
        ({"classes": 0}, "1 to 255 classes, got 0"),
        ({"classes": 256}, "1 to 255 classes, got 256"),
        ({"height": 100}, "multiple of 16 and at least 32 pixels, got 100x128"),
        ({"width": 16}, "multiple of 16 and at least 32 pixels, got 128x16"),
    ],
)
def test_a_wrong_configuration_is_refused(wrong, message):
    with pytest.raises(UsageError, match=message):
        NetworkConfig(**{"classes": 2, **wrong})


def test_a_network_needs_a_configuration():
    with pytest.raises(ContractError, match="built from a NetworkConfig, got dict"):
        build_network({"classes": 2})
