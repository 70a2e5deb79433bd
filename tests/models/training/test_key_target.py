import sys
from dataclasses import replace

import pytest
import torch

from maskattn_edge.contract.errors import UsageError
from maskattn_models.network import VARIANTS, MaskAttention, NetworkConfig, build_network
from maskattn_models.study.variants import offer_variants
from maskattn_models.training import TrainingSettings, train
from maskattn_models.training.key_target import KeyTarget, check_masked


def block(bias):
    torch.manual_seed(0)
    attention = MaskAttention(32, head_channels=32, masked=True).train()
    with torch.no_grad():
        attention.qkv.weight[-1].zero_()
        attention.qkv.bias[-1] = bias
    return attention


@pytest.mark.parametrize(
    ("bias", "share", "expected", "pull"),
    [(1.0, 0.25, 0.75**2, -1), (1.0, 1.0, 0.0, 0), (-1.0, 0.25, 0.25**2, 1)],
)
def test_the_distance_to_the_share_costs_and_pulls_back(bias, share, expected, pull):
    attention = block(bias)
    target = KeyTarget(attention, share)
    attention(torch.randn(2, 32, 4, 4))
    loss = target.loss()
    assert loss.item() == pytest.approx(expected)
    loss.backward()
    assert attention.qkv.bias.grad[-1].sign() == -pull
    assert target.loss() == 0  # each forward pass counts once


def test_images_count_one_by_one():
    attention = block(0.0)
    with torch.no_grad():
        attention.qkv.weight[-1, 0] = 1.0
    x = torch.randn(2, 32, 4, 4)
    x[0, 0], x[1, 0] = 1.0, -1.0  # all keys, none: half of them on average
    target = KeyTarget(attention, 0.5)
    attention(x)
    assert target.loss().item() == pytest.approx(0.25)


def test_all_blocks_count():
    config = NetworkConfig(classes=2, size="n", height=32, width=32, attention="masked")
    network = build_network(config).train()
    target = KeyTarget(network, 0.5)
    network(torch.zeros(2, 3, 32, 32))
    assert target.loss().item() == pytest.approx(2 * 0.5**2)


@pytest.mark.parametrize("attention", ["none", "convolution", "plain"])
def test_a_network_without_masks_is_refused_before_the_data_are_read(
    squares, tiny, tmp_path, attention, monkeypatch
):
    monkeypatch.setattr(sys.modules[train.__module__], "load_splits", pytest.fail)
    config, settings = replace(tiny, attention=attention), TrainingSettings(mask_share=0.5)
    with pytest.raises(UsageError, match="has no mask attention: choose --attention masked, or"):
        train(squares, config, settings, tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_the_check_takes_no_random_numbers(tiny):
    before = torch.get_rng_state()
    check_masked(tiny, 0.5)
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize("variant", ["masked_8", "masked_16", "masked_decoder"])
def test_masks_in_other_places_are_pulled_too(tiny, variant):
    offer_variants()
    try:
        check_masked(replace(tiny, attention=variant), 0.5)
    finally:
        VARIANTS.clear()


def test_a_mask_reaches_its_target():
    attention, x = block(1.0), torch.randn(2, 32, 8, 8)
    with torch.no_grad():
        attention.qkv.weight[-1].normal_(std=0.2)
    target = KeyTarget(attention, 0.3)
    optimizer = torch.optim.Adam(attention.parameters(), 0.05)
    for _ in range(60):
        attention(x)
        optimizer.zero_grad()
        target.loss().backward()
        optimizer.step()
    assert 0.2 < attention.key_mask(x).float().mean() < 0.4


def test_the_target_is_part_of_a_runs_loss(squares, tiny, tmp_path):
    settings = TrainingSettings(epochs=1, batch=8, device="cpu")
    free, pulled = (
        train(squares, tiny, replace(settings, mask_share=share, mask_weight=3.0), tmp_path / name)
        for name, share in (("free", None), ("pulled", 0.4))
    )
    costs = pulled.history[0]["loss"] - free.history[0]["loss"]
    assert costs == pytest.approx(3 * 2 * 0.6**2, rel=1e-4)  # a fresh mask keeps every key
    assert set(free.training["keys_kept"]) == {"attention3", "attention4"}


@pytest.mark.parametrize("changes", [{"mask_share": 1.5}, {"mask_weight": -1.0}])
def test_numbers_out_of_range_are_refused(changes):
    with pytest.raises(UsageError, match="mask (share|weight) must be 0 to"):
        TrainingSettings(**changes)
