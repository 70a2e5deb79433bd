import cv2
import numpy as np
import pytest
import torch

from maskattn_models.network import Deployed, NetworkConfig, build_network
from maskattn_models.training.curves import write_curves
from maskattn_models.training.history import EpochRow, to_rows, write_history
from maskattn_models.training.sheets import kept_keys, mask_sheet


def row(epoch, miou):
    return EpochRow(
        epoch=epoch,
        loss=1 / epoch,
        val_miou=miou,
        val_pixel_accuracy=0.5,
        lr=1e-3,
        seconds=1.0,
        images_per_second=9.0,
    )


@pytest.mark.parametrize("count", [1, 2, 30])
def test_curves_of_short_and_long_runs(tmp_path, count):
    write_curves(tmp_path / "curves.png", [row(n + 1, n / 30) for n in range(count)], title="t")
    assert cv2.imread(str(tmp_path / "curves.png")).std() > 1


def test_history_is_written_and_read(tmp_path):
    rows = [row(1, 0.25)]
    write_history(tmp_path / "history.csv", rows)
    head, line = (tmp_path / "history.csv").read_text().splitlines()
    assert head == "epoch,loss,val_miou,val_pixel_accuracy,lr,seconds,images_per_second"
    assert line == "1,1.0,0.25,0.5,0.001,1.0,9.0"
    assert to_rows([vars(rows[0])]) == rows


def deployed(**changes):
    config = NetworkConfig(classes=2, size="n", height=32, width=64, **changes)
    return Deployed(build_network(config)).eval()


def test_kept_keys_of_each_block():
    network = deployed()
    with torch.no_grad():
        network.network.attention4.qkv.bias[-1] = 0
    images = np.random.default_rng(0).integers(0, 256, (3, 32, 64, 3), np.uint8)
    kept = kept_keys(network, images)
    assert {name: mask.shape for name, mask in kept.items()} == {
        "attention3": (3, 4, 8),
        "attention4": (3, 2, 4),
    }
    assert not network.network.attention3._forward_pre_hooks


def test_a_network_without_masks_keeps_nothing_to_show():
    assert kept_keys(deployed(masked=False), np.zeros((1, 32, 64, 3), np.uint8)) == {}


@pytest.mark.parametrize("count", [1, 2, 3])
def test_masked_cells_are_dark(count):
    images = np.full((count, 32, 32, 3), 200, np.uint8)
    kept = np.ones((count, 2, 2), bool)
    kept[:, 0, 0] = False
    sheet = mask_sheet(images, {"block": kept})
    body = sheet[30:]  # below the headings
    assert (body == 44).all(axis=2).sum() == count * 120 * 120
    assert (body == 200).all(axis=2).sum() == count * (240 * 240 + 3 * 120 * 120)
