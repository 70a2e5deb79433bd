"""A small trained network, its checkpoint and one export of it, shared by the tests here."""

import numpy as np
import pytest
import torch

from maskattn_edge.contract.classes import numbered_classes
from maskattn_edge.contract.spec import InputSpec
from maskattn_edge.latency import LatencySettings
from maskattn_export.exporter import export_checkpoint
from maskattn_export.settings import ExportSettings
from maskattn_models.checkpoint import Checkpoint, load_checkpoint, pack_samples, save_checkpoint
from maskattn_models.network import Deployed, NetworkConfig, build_network

SIDE = 32
QUICK = LatencySettings(warmup_frames=1, min_frames=2, min_seconds=0)


def coarse_image(rng):
    """Blocks of 8x8 pixels, bright or dark in the first channel; the label is which."""
    blocks = rng.integers(0, 2, (4, 4), np.uint8)
    labels = np.kron(blocks, np.ones((8, 8), np.uint8))
    image = rng.integers(0, 80, (SIDE, SIDE, 3), np.uint8)
    image[..., 0] += labels * 150
    return image, labels


@pytest.fixture(scope="session")
def checkpoint_path(tmp_path_factory):
    """Size n on 32x32, trained for a few steps to tell bright from dark blocks."""
    torch.manual_seed(0)
    rng = np.random.default_rng(0)
    pairs = [coarse_image(rng) for _ in range(48)]
    config = NetworkConfig(
        classes=2, size="n", height=SIDE, width=SIDE, dropout=0.0, attention="masked"
    )
    network = build_network(config).train()
    deployed = Deployed(network)
    images = deployed.normalize(torch.from_numpy(np.stack([image for image, _ in pairs])).float())
    labels = torch.from_numpy(np.stack([label for _, label in pairs])).long()
    optimizer = torch.optim.AdamW(network.parameters(), 5e-3)
    for _ in range(30):
        loss = torch.nn.functional.cross_entropy(network(images), labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    path = tmp_path_factory.mktemp("run") / "best.pt"
    save_checkpoint(
        path,
        Checkpoint(
            network=config,
            weights=network.eval().state_dict(),
            classes=numbered_classes(2),
            input=InputSpec(height=SIDE, width=SIDE),
            training={"data": "blocks", "data_sha256": "ab", "seed": 0, "epochs": 30},
            metrics={"val_miou": 0.9},
            samples=pack_samples([image for image, _ in pairs[:32]], pairs[32:]),
        ),
    )
    return path


@pytest.fixture
def checkpoint(checkpoint_path):
    return load_checkpoint(checkpoint_path)


@pytest.fixture(scope="session")
def report(checkpoint_path, tmp_path_factory):
    """All three precisions of the checkpoint."""
    return export_checkpoint(
        checkpoint_path,
        ExportSettings(precisions=("fp16", "int8")),
        folder=tmp_path_factory.mktemp("export"),
        timing=QUICK,
    )
