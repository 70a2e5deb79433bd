"""The published network computes what its description says, and costs what was counted."""

import math
import os

import pytest
import torch
import torch.nn.functional as F  # noqa: N812
from torch.utils.flop_counter import FlopCounterMode

from maskattn_edge.contract.errors import UsageError
from maskattn_models.network import Deployed
from maskattn_models.published import (
    PublishedConfig,
    build_published,
    published_shapes,
    read_published,
)
from maskattn_models.published.network import FullAttention


class ByHand:
    """The description, step by step, straight from the published keys; dense attention."""

    def __init__(self, state):
        self.state = state

    def norm(self, name, x):
        part = {key: self.state[f"{name}.{key}"] for key in ("weight", "bias")}
        mean, var = self.state[f"{name}.running_mean"], self.state[f"{name}.running_var"]
        return F.batch_norm(x, mean, var, part["weight"], part["bias"])

    def block(self, name, x):
        x = F.conv2d(x, self.state[f"{name}.conv_block.0.weight"], padding=1)
        x = F.gelu(self.norm(f"{name}.conv_block.1", x))
        x = F.conv2d(x, self.state[f"{name}.conv_block.3.weight"], padding=1)
        return self.norm(f"{name}.conv_block.4", x)

    def stage(self, first, second, last, x):
        x = F.gelu(x + self.block(first, x))
        return self.norm(last, self.block(second, x))

    def down(self, n, x):
        name = f"downsample{n}.maxpool_conv"
        return self.stage(f"{name}.1", f"{name}.2", f"{name}.3", F.max_pool2d(x, 2))

    def up(self, n, x, skip):
        x = F.interpolate(x, scale_factor=2, mode="bilinear", align_corners=True)
        name = f"upsample{n}.conv"
        return self.stage(f"{name}.0", f"{name}.1", f"{name}.2", torch.cat([skip, x], 1))

    def linear(self, name, x):
        return F.linear(x, self.state[f"{name}.weight"], self.state[f"{name}.bias"])

    def attention(self, n, x):
        name, (batch, channels, height, width) = f"self_attention{n}", x.shape
        tokens = x.view(batch, channels, -1).permute(0, 2, 1)
        query, key, value = (self.linear(f"{name}.{part}", tokens) for part in _PARTS)
        weights = (query @ key.mT / math.sqrt(channels)).softmax(-1)
        scale, shift = (self.state[f"{name}.norm.{part}"] for part in ("weight", "bias"))
        out = F.layer_norm(weights @ value + tokens, (channels,), scale, shift)
        return out.contiguous().view(batch, channels, height, width)

    def __call__(self, x):
        one = self.block("initial_conv", x)
        two = self.attention(1, self.down(1, one))
        three = self.attention(2, self.down(2, two))
        y = self.attention(3, self.down(3, three))
        for n in (1, 2, 3):
            y = self.block(f"bottom{n}", y)
        y = self.attention(4, self.up(1, y, three))
        y = self.attention(5, self.up(2, y, two))
        y = self.attention(6, self.up(3, y, one))
        y = F.layer_norm(y, y.shape[1:], self.state["norm.weight"], self.state["norm.bias"])
        y = F.conv2d(y, self.state["final_layer.0.weight"], self.state["final_layer.0.bias"])
        return F.relu(self.norm("final_layer.1", y))


_PARTS = ("query", "key", "value")


def loaded(state):
    published = read_published(state)
    network = build_published(published.config)
    network.load_state_dict(dict(published.weights))
    return network.eval()


@torch.inference_mode()
def test_it_computes_what_the_description_says(published_state):
    state = published_state(3, 32)
    x = torch.rand(2, 3, 32, 32)
    logits = loaded(state)(x)
    torch.testing.assert_close(logits, ByHand(state)(x), rtol=1e-3, atol=1e-4)
    assert 0.2 < (logits == 0).float().mean() < 0.8  # the final ReLU, or the test shows little


@torch.inference_mode()
def test_attention_by_parts_is_exact(monkeypatch):
    torch.manual_seed(0)
    attention, x = FullAttention(8).eval(), torch.randn(2, 8, 6, 6)
    whole = attention(x)
    monkeypatch.setattr("maskattn_models.published.network.SCORES_AT_ONCE", 36 * 5)
    torch.testing.assert_close(attention(x), whole)


@torch.inference_mode()
def test_attention_leaves_tokens_where_the_published_code_does():
    attention, x = FullAttention(2).eval(), torch.randn(1, 2, 2, 3)
    for layer in (attention.query, attention.key, attention.value):
        layer.weight.zero_()
        layer.bias.zero_()
    tokens = F.layer_norm(x.flatten(2).mT, (2,))  # (1, 6, 2): nothing but the residual
    expected = tokens.reshape(1, 2, 2, 3)
    torch.testing.assert_close(attention(x), expected)
    assert not torch.allclose(expected, tokens.mT.reshape(1, 2, 2, 3))  # where they should be


def test_an_image_is_scaled_to_one_and_no_more():
    deployed = Deployed(build_published(PublishedConfig(classes=2, height=16, width=16)))
    image = torch.tensor([0.0, 51.0, 255.0]).expand(1, 16, 16, 3)
    scaled = deployed.normalize(image)[0, :, 0, 0]
    torch.testing.assert_close(scaled, torch.tensor([0.0, 0.2, 1.0]))


def test_keys_and_shapes_are_the_published_ones(published_shapes_by_hand):
    config = PublishedConfig(classes=133)
    assert published_shapes(config) == published_shapes_by_hand(133, 128)


def test_parameters_are_those_of_the_published_code():
    shapes = published_shapes(PublishedConfig(classes=133))
    buffers = ("running_mean", "running_var", "num_batches_tracked")
    sizes = {key: math.prod(s) for key, s in shapes.items() if not key.endswith(buffers)}
    assert round(sum(sizes.values()) / 1e6, 2) == 24.92
    assert round(sum(n for key, n in sizes.items() if "emb_layer" in key) / 1e6, 2) == 0.23
    with torch.device("meta"):
        network = build_published(PublishedConfig(classes=133))
    live = sum(parameter.numel() for parameter in network.parameters())
    assert live == sum(n for key, n in sizes.items() if "emb_layer" not in key)


def test_operations_are_those_of_the_published_code():
    with torch.device("meta"):
        network, x = (
            build_published(PublishedConfig(classes=133)).eval(),
            torch.zeros(1, 3, 128, 128),
        )
    with torch.inference_mode(), FlopCounterMode(display=False) as counter:
        network(x)
    assert round(counter.get_total_flops() / 1e9, 1) == 136.2
    counts = counter.get_flop_counts()
    products = sum(sum(counts[f"PublishedUNet.attention{n}"].values()) for n in range(1, 7))
    assert sum(counts["PublishedUNet.attention6"].values()) / 1e9 == pytest.approx(69.12, abs=0.01)
    assert 83.3 <= products / 1e9 <= 84.8  # the six rows of the description


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"classes": 0}, "1 to 255 classes, got 0"),
        ({"height": 100}, "multiples of 8 from 16 to 256, got 100x128"),
        ({"width": 512}, "multiples of 8 from 16 to 256, got 128x512"),
    ],
)
def test_a_wrong_configuration_is_refused(wrong, message):
    with pytest.raises(UsageError, match=message):
        PublishedConfig(**{"classes": 2, **wrong})


@pytest.mark.skipif("MASKATTN_SLOW" not in os.environ, reason="slow: set MASKATTN_SLOW=1 to run it")
@torch.inference_mode()
def test_full_size(published_state):
    state = published_state(133, 128)
    x = torch.rand(1, 3, 128, 128)
    torch.testing.assert_close(loaded(state)(x), ByHand(state)(x), rtol=1e-3, atol=1e-3)
