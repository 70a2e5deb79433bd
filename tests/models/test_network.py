import pytest
import torch
from torch import nn

from maskattn_edge.contract.errors import ContractError, UsageError
from maskattn_models.network import (
    Deployed,
    MaskAttention,
    NetworkConfig,
    build_network,
)

SIZES = ["n", "s", "m", "l"]


@pytest.fixture(scope="module")
def networks():
    return {size: build_network(NetworkConfig(classes=133, size=size)).eval() for size in SIZES}


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
    ("attention", "kind"),
    [
        ("none", nn.Identity),
        ("convolution", nn.Sequential),
        ("plain", MaskAttention),
        ("masked", MaskAttention),
    ],
)
@torch.inference_mode()
def test_what_follows_the_coarse_stages(attention, kind):
    network = build_network(NetworkConfig(classes=2, size="n", attention=attention)).eval()
    assert type(network.attention3) is type(network.attention4) is kind
    if kind is MaskAttention:
        assert network.attention3.masked == network.attention4.masked == (attention == "masked")
    assert network(torch.zeros(1, 3, 128, 128)).shape == (1, 2, 128, 128)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"size": "xl"}, "unknown size 'xl'; available: n, s, m, l"),
        (
            {"attention": "linear"},
            "unknown attention 'linear'; available: none, convolution, plain, masked",
        ),
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
