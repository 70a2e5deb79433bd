"""What is counted, and that each size keeps to its budget at 128x128 with 133 classes."""

import pytest
import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from maskattn_models.cost import cost_of, count_cost
from maskattn_models.network import MaskAttention, NetworkConfig, build_network

# Counted 2026-11-23; a change of the network changes these on purpose.
FAMILY = {
    "n": (269_922_304, 304_151),
    "s": (966_090_752, 1_202_599),
    "m": (2_828_185_600, 4_174_759),
    "l": (10_765_205_504, 10_698_791),
}
BUDGET_GFLOPS = {"n": 0.3, "s": 1.0, "m": 3.0, "l": 11.0}


@pytest.mark.parametrize("size", FAMILY)
def test_each_size_keeps_to_its_budget(size):
    cost = cost_of(NetworkConfig(classes=133, size=size, attention="masked"))
    assert (cost.operations, cost.parameters) == FAMILY[size]
    assert 0.85 * BUDGET_GFLOPS[size] <= cost.gflops <= BUDGET_GFLOPS[size]


def counted(module, *inputs):
    with torch.inference_mode(), FlopCounterMode(display=False) as counter:
        module(*inputs)
    return counter.get_total_flops()


def test_the_counter_counts_two_operations_per_multiply_accumulate():
    convolution = nn.Conv2d(3, 8, 3, stride=2, padding=1)
    assert counted(convolution, torch.zeros(1, 3, 10, 14)) == 2 * (3 * 9) * 8 * 5 * 7
    assert counted(torch.matmul, torch.zeros(2, 4, 5), torch.zeros(2, 5, 6)) == 2 * 2 * 4 * 5 * 6


def test_the_counter_leaves_out_what_touches_each_value_once():
    light = nn.Sequential(nn.BatchNorm2d(4), nn.ReLU(), nn.Softmax(1), nn.Upsample(scale_factor=2))
    assert counted(light.eval(), torch.zeros(1, 4, 6, 6)) == 0


@torch.inference_mode()
@pytest.mark.parametrize("attention", ["none", "convolution", "plain", "masked"])
def test_the_count_equals_one_by_hand(attention):
    network = build_network(
        NetworkConfig(classes=5, size="n", height=32, width=64, attention=attention)
    ).eval()
    cost, operations = count_cost(network), 0

    def add_convolution(module, inputs, output):
        nonlocal operations
        per_value = module.weight[0].numel()
        operations += 2 * per_value * output.numel()

    def add_products(module, inputs, output):
        nonlocal operations
        keys = inputs[0][0, 0].numel()
        operations += 2 * 2 * keys * keys * module.heads * module.head_channels  # QK, then V

    for module in network.modules():
        if isinstance(module, nn.Conv2d):
            module.register_forward_hook(add_convolution)
        elif isinstance(module, MaskAttention):
            module.register_forward_hook(add_products)
    network(torch.zeros(1, 3, 32, 64))
    assert cost.operations == operations


def test_counting_leaves_the_network_as_it_was():
    network = build_network(NetworkConfig(classes=2, size="n", height=32, width=32)).train()
    before = {name: value.clone() for name, value in network.state_dict().items()}
    state = torch.get_rng_state()
    count_cost(network)
    assert network.training
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())
    cost_of(network.config)
    assert torch.equal(torch.get_rng_state(), state)


def test_the_mask_costs_one_channel():
    masked, plain = (cost_of(NetworkConfig(classes=133, attention=a)) for a in ("masked", "plain"))
    assert masked.parameters - plain.parameters == (128 + 1) + (192 + 1)
    assert masked.operations - plain.operations == 2 * (128 * 16 * 16 + 192 * 8 * 8)
