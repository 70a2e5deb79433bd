import math

import pytest
import torch
from torch import nn

from maskattn_models.cost import cost_of
from maskattn_models.network import ATTENTION, VARIANTS, MaskAttention, NetworkConfig, build_network
from maskattn_models.study import ABLATION
from maskattn_models.study import ATTENTION as KINDS
from maskattn_models.study.variants import KEPT, PooledKeys, TopKeys, offer_variants


@pytest.fixture(autouse=True)
def offered():
    offer_variants()
    yield
    VARIANTS.clear()


def block(kind, channels=64, seed=0):
    torch.manual_seed(seed)
    attention = kind(channels, head_channels=32)
    nn.init.uniform_(attention.norm.weight, 0.5, 1.5)
    return attention.eval()


def parts(attention, x):
    """Q, K, V and mask logit of one image, (3 x (I, N), (N,))."""
    values = attention.qkv(x)[0].flatten(1)
    inner = attention.inner
    return (*values[: 3 * inner].split(inner), values[-1])


def attend(attention, x, query, key, value, bias):
    out = torch.zeros(attention.inner, query.shape[1])
    for head in range(attention.heads):
        own = slice(32 * head, 32 * head + 32)
        for n in range(query.shape[1]):
            scores = query[own, n] @ key[own] / math.sqrt(32) + bias
            out[own, n] = (scores.softmax(0) * value[own]).sum(1)
    return x + attention.norm(attention.project(out.unflatten(1, x.shape[2:])[None]))


@torch.inference_mode()
def test_pooled_keys_equal_a_loop_over_cells():
    attention, x = block(PooledKeys), torch.randn(1, 64, 4, 5)  # the last column's cells are half
    query, key, value, logit = parts(attention, x)
    mask, cells = logit.sigmoid(), []
    for top in range(0, 4, 2):
        for left in range(0, 5, 2):
            inside = [y * 5 + z for y in (top, top + 1) for z in range(left, min(left + 2, 5))]
            weight = mask[inside]
            mean = [(part[:, inside] * weight).sum(1) / weight.sum() for part in (key, value)]
            cells.append((*mean, weight.sum().log()))
    keys, values, bias = (torch.stack(column, -1) for column in zip(*cells, strict=True))
    expected = attend(attention, x, query, keys, values, bias)
    torch.testing.assert_close(attention(x), expected, rtol=1e-4, atol=1e-5)


@torch.inference_mode()
def test_top_keys_equal_attention_over_the_best():
    attention, x = block(TopKeys), torch.randn(1, 64, 4, 6)
    query, key, value, logit = parts(attention, x)
    best = sorted(range(24), key=lambda n: -logit[n])[: 24 // KEPT]
    expected = attend(attention, x, query, key[:, best], value[:, best], logit[best])
    torch.testing.assert_close(attention(x), expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("kind", [PooledKeys, TopKeys])
def test_the_mask_of_a_variant_learns(kind):
    attention = block(kind).train()
    attention(torch.randn(2, 64, 4, 4)).square().sum().backward()
    assert attention.qkv.weight.grad[-1].abs().max() > 0


@pytest.mark.parametrize("kind", [PooledKeys, TopKeys])
def test_a_fresh_variant_changes_nothing(kind):
    attention, x = kind(32, head_channels=32).eval(), torch.randn(1, 32, 4, 4)
    torch.testing.assert_close(attention(x), x)


@pytest.mark.parametrize("arm", {arm.attention for arm in (*KINDS.arms, *ABLATION.arms)})
@pytest.mark.parametrize("side", [32, 48])
def test_every_kind_trains(arm, side):
    network = build_network(
        NetworkConfig(classes=2, size="n", height=side, width=side, attention=arm)
    ).train()
    logits = network(torch.randn(2, 3, side, side))
    logits.square().mean().backward()
    assert logits.shape == (2, 2, side, side)
    assert all(p.grad is None or p.grad.isfinite().all() for p in network.parameters())


@pytest.mark.parametrize(
    ("kind", "where"),
    [
        ("masked_8", {"attention3"}),
        ("masked_16", {"attention4"}),
        ("masked", {"attention3", "attention4"}),
        ("masked_decoder", {"attention3", "attention4", "decode3.1"}),
    ],
)
def test_masks_are_where_the_kind_says(kind, where):
    network = build_network(NetworkConfig(classes=2, size="n", attention=kind))
    modules = network.named_modules()
    assert {name for name, module in modules if isinstance(module, MaskAttention)} == where


def test_fewer_keys_cost_less_than_all():
    cost = {kind: cost_of(NetworkConfig(classes=9, attention=kind)) for kind in (
        "masked", "pooled", "top_k")}  # fmt: skip
    assert cost["pooled"].operations == cost["top_k"].operations < cost["masked"].operations
    assert cost["pooled"].parameters == cost["masked"].parameters


def test_the_product_does_not_know_the_variants():
    VARIANTS.clear()
    assert not {"pooled", "top_k"} & set(ATTENTION)
