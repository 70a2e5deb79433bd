"""Peers in the network's place: one trainer, one checkpoint, one export."""

import pytest
import torch

from maskattn_edge.contract.errors import MissingDependencyError, UsageError
from maskattn_models.network import NetworkConfig
from maskattn_models.peers import build
from maskattn_models.plain_unet import PlainUNet


def test_a_peer_is_built_by_its_name():
    assert isinstance(build(NetworkConfig(classes=3, peer="plain-unet")), PlainUNet)
    assert type(build(NetworkConfig(classes=3, size="n"))).__name__ == "MaskAttnUNet"


def test_segformer_is_b0_and_answers_on_the_inputs_grid():
    pytest.importorskip("transformers", reason="transformers is not installed")
    network = build(NetworkConfig(classes=150, height=64, width=64, peer="segformer-b0")).eval()
    millions = sum(parameter.numel() for parameter in network.parameters()) / 1e6
    assert 3.7 < millions < 3.8  # the paper's table 1: 3.8 M with ADE20K's 150 classes
    with torch.inference_mode():
        assert network(torch.zeros(2, 3, 64, 96)).shape == (2, 150, 64, 96)


def test_segformer_without_its_package(monkeypatch):
    def missing(module, **_):
        raise MissingDependencyError(f"needs {module}: pip install 'maskattn-edge[peers]'")

    monkeypatch.setattr("maskattn_models.segformer.require", missing)
    with pytest.raises(MissingDependencyError, match="needs transformers"):
        build(NetworkConfig(classes=3, peer="segformer-b0"))


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"peer": "abacus"}, "unknown peer 'abacus'; available: plain-unet, segformer-b0"),
        ({"peer": "segformer-b0", "height": 48}, "a multiple of 32"),
        ({"peer": "plain-unet", "attention": "masked"}, "neither a backbone nor attention"),
        ({"peer": "plain-unet", "task": "instance", "things": (1,)}, "is semantic"),
    ],
)
def test_what_a_peer_cannot_be(changes, said):
    with pytest.raises(UsageError, match=said):
        NetworkConfig(**{"classes": 3, **changes})
