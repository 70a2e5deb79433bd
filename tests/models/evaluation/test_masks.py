import json

import cv2
import numpy as np
import pytest
import torch

from maskattn_edge.cli.app import run_command
from maskattn_edge.contract.classes import numbered_classes
from maskattn_edge.contract.spec import InputSpec
from maskattn_models.checkpoint import Checkpoint, save_checkpoint
from maskattn_models.data import open_dataset
from maskattn_models.evaluation import evaluate_file, mask_sheet
from maskattn_models.keys import key_masks, key_shares, watching_keys
from maskattn_models.network import Deployed, NetworkConfig, build_network


def network(**changes):
    """Fresh weights; a mask on the coarser grid keeps about half of the keys."""
    torch.manual_seed(0)
    changes = {"attention": "masked", **changes}
    built = build_network(NetworkConfig(classes=2, size="n", height=32, width=64, **changes)).eval()
    if built.config.attention == "masked":
        seen = []
        handle = built.attention4.qkv.register_forward_hook(lambda *call: seen.append(call[2]))
        with torch.no_grad():
            Deployed(built).eval()(torch.from_numpy(pictures(3)))
            built.attention4.qkv.bias[-1] -= seen[0][:, -1].median()
        handle.remove()
    return built


def pictures(count, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (count, 32, 64, 3), np.uint8)


@pytest.fixture
def folder(tmp_path):
    for index, image in enumerate(pictures(3)):
        for kind, picture in (("images", image), ("masks", image[..., 0] // 128)):
            (tmp_path / "data" / kind / "test").mkdir(parents=True, exist_ok=True)
            cv2.imwrite(str(tmp_path / f"data/{kind}/test/{index}.png"), picture)
    return tmp_path / "data"


@pytest.fixture(params=["masked", "plain"])
def checkpoint(request, tmp_path):
    built = network(attention=request.param)
    path = tmp_path / f"{request.param}.pt"
    save_checkpoint(
        path,
        Checkpoint(
            network=built.config,
            weights=built.state_dict(),
            classes=numbered_classes(2),
            input=InputSpec(height=32, width=64),
        ),
    )
    return path


def test_the_keys_of_each_block_are_told():
    built = network().eval()
    masks = key_masks(Deployed(built), pictures(3))
    assert {name: mask.shape for name, mask in masks.items()} == {
        "attention3": (3, 4, 8),
        "attention4": (3, 2, 4),
    }
    assert masks["attention3"].all()  # a fresh mask keeps every key
    assert 0 < key_shares(masks)["attention4"] < 1
    assert not built.attention3._forward_pre_hooks


def test_a_tally_adds_up_all_batches():
    deployed = Deployed(network()).eval()
    one, other = pictures(2, seed=1), pictures(3, seed=2)
    with watching_keys(deployed) as tally, torch.inference_mode():
        deployed(torch.from_numpy(one))
        deployed(torch.from_numpy(other))
    together = key_shares(key_masks(deployed, np.concatenate([one, other])))
    assert tally.shares == pytest.approx(together)
    assert tally.latest["attention4"].shape == (3, 2, 4)


@pytest.mark.parametrize("attention", ["none", "convolution", "plain"])
def test_a_network_without_masks_tells_nothing(attention):
    assert key_masks(Deployed(network(attention=attention)), pictures(1)) == {}


@pytest.mark.parametrize("count", [1, 2, 3])
def test_masked_cells_are_dark(count):
    images = np.full((count, 32, 32, 3), 200, np.uint8)
    kept = np.ones((count, 2, 2), bool)
    kept[:, 0, 0] = False
    body = mask_sheet(images, {"block": kept})[30:]  # below the headings
    tiles = [body[row * 262 :][:240] for row in range(-(-count // 2))]
    assert sum((tile == 44).all(axis=2).sum() for tile in tiles) == count * 120 * 120
    bright = count * (240 * 240 + 3 * 120 * 120)
    assert sum((tile == 200).all(axis=2).sum() for tile in tiles) == bright
    captions = [body[row * 262 + 240 :][:22] for row in range(-(-count // 2))]
    assert all((caption < 100).any() for caption in captions)


@pytest.mark.parametrize("checkpoint", ["masked"], indirect=True)
def test_evaluation_tells_the_share_of_keys_and_shows_them(folder, checkpoint, tmp_path, capsys):
    report, sheet = tmp_path / "report.json", tmp_path / "masks.png"
    words = ["--data", str(folder), "--json", str(report), "--masks", str(sheet)]
    assert run_command(["evaluate", str(checkpoint), *words]) == 0
    expected = key_shares(key_masks(Deployed(network()).eval(), pictures(3)[..., ::-1].copy()))
    assert json.loads(report.read_text())["keys_kept"] == pytest.approx(expected)
    assert "attention3 keeps 100.00 % of its keys" in capsys.readouterr().out
    assert cv2.imread(str(sheet)).shape == (30 + 2 * (120 + 22), 2 * (12 + 3 * 252), 3)


@pytest.mark.parametrize("checkpoint", ["plain"], indirect=True)
def test_there_must_be_a_mask_to_show(folder, checkpoint, tmp_path, capsys):
    assert evaluate_file(checkpoint, open_dataset(folder), "test").keys_kept == {}
    words = ["--data", str(folder), "--masks", str(tmp_path / "masks.png")]
    assert run_command(["evaluate", str(checkpoint), *words]) == 2
    assert "plain.pt has no mask attention to show" in capsys.readouterr().err


def test_a_model_file_does_not_tell(folder, tmp_path, capsys, monkeypatch):
    from contextlib import contextmanager

    from maskattn_models.evaluation import file as module
    from maskattn_models.evaluation.predictor import OpenedModel

    @contextmanager
    def opened(path, engine):
        yield OpenedModel(
            name=path.name,
            sha256="",
            task="semantic",
            answer=lambda image: None,
            classes=None,
            input=InputSpec(height=32, width=64),
            runs_on="",
        )

    monkeypatch.setattr(module, "open_predictor", opened)
    words = ["--data", str(folder), "--masks", str(tmp_path / "masks.png")]
    assert run_command(["evaluate", "model.onnx", *words]) == 2
    assert "model.onnx: a model file does not tell which keys it keeps" in capsys.readouterr().err
