"""State dicts as the published scripts save them, with random weights: nobody's are needed."""

from __future__ import annotations

from collections.abc import Callable

import pytest

EMBEDDING = 256


def _conv_block(name: str, inputs: int, middle: int, outputs: int) -> dict[str, tuple[int, ...]]:
    shapes: dict[str, tuple[int, ...]] = {f"{name}.conv_block.0.weight": (middle, inputs, 3, 3)}
    shapes |= _batch_norm(f"{name}.conv_block.1", middle)
    shapes |= {f"{name}.conv_block.3.weight": (outputs, middle, 3, 3)}
    return shapes | _batch_norm(f"{name}.conv_block.4", outputs)


def _batch_norm(name: str, channels: int) -> dict[str, tuple[int, ...]]:
    parts = ("weight", "bias", "running_mean", "running_var")
    return {f"{name}.{part}": (channels,) for part in parts} | {f"{name}.num_batches_tracked": ()}


def _linear(name: str, inputs: int, outputs: int) -> dict[str, tuple[int, ...]]:
    return {f"{name}.weight": (outputs, inputs), f"{name}.bias": (outputs,)}


def shapes_of_published(classes: int, side: int) -> dict[str, tuple[int, ...]]:
    """Keys and shapes, written down from the architecture's description."""
    shapes = _conv_block("initial_conv", 3, 64, 64)
    for n, (inputs, outputs) in enumerate([(64, 128), (128, 256), (256, 256)], start=1):
        block = f"downsample{n}.maxpool_conv"
        shapes |= _conv_block(f"{block}.1", inputs, inputs, inputs)
        shapes |= _conv_block(f"{block}.2", inputs, outputs, outputs)
        shapes |= _batch_norm(f"{block}.3", outputs)
        shapes |= _linear(f"downsample{n}.emb_layer.1", EMBEDDING, outputs)
    for n, (inputs, outputs) in enumerate([(256, 512), (512, 512), (512, 256)], start=1):
        shapes |= _conv_block(f"bottom{n}", inputs, outputs, outputs)
    for n, (inputs, outputs) in enumerate([(512, 128), (256, 64), (128, 64)], start=1):
        shapes |= _conv_block(f"upsample{n}.conv.0", inputs, inputs, inputs)
        shapes |= _conv_block(f"upsample{n}.conv.1", inputs, inputs // 2, outputs)
        shapes |= _batch_norm(f"upsample{n}.conv.2", outputs)
        shapes |= _linear(f"upsample{n}.emb_layer.1", EMBEDDING, outputs)
    for n, channels in enumerate([128, 256, 256, 128, 64, 64], start=1):
        for part in ("query", "key", "value"):
            shapes |= _linear(f"self_attention{n}.{part}", channels, channels)
        shapes |= {f"self_attention{n}.norm.{part}": (channels,) for part in ("weight", "bias")}
    shapes |= {f"norm.{part}": (64, side, side) for part in ("weight", "bias")}
    shapes |= {"final_layer.0.weight": (classes, 64, 1, 1), "final_layer.0.bias": (classes,)}
    return shapes | _batch_norm("final_layer.1", classes)


@pytest.fixture(scope="session")
def published_shapes_by_hand() -> Callable[[int, int], dict[str, tuple[int, ...]]]:
    return shapes_of_published


@pytest.fixture(scope="session")
def published_state():
    """(classes, side, seed=0) -> a state dict with weights that keep the signal's size."""
    torch = pytest.importorskip("torch")

    def make(classes: int, side: int, seed: int = 0):
        generator = torch.Generator().manual_seed(seed)

        def values(name: str, shape: tuple[int, ...]):
            if name.endswith("num_batches_tracked"):
                return torch.tensor(7)
            if len(shape) in (2, 4):
                fan_in = shape[1] * (9 if shape[2:] == (3, 3) else 1)
                return torch.randn(shape, generator=generator) * fan_in**-0.5
            noise = torch.rand(shape, generator=generator)
            return noise + 0.5 if name.endswith(("weight", "running_var")) else noise - 0.5

        shapes = shapes_of_published(classes, side)
        return {name: values(name, shape) for name, shape in shapes.items()}

    return make


@pytest.fixture(scope="session")
def published_checkpoint(published_state, tmp_path_factory):
    """A file as the published scripts leave it, of 3 classes on 16x16 pixels."""
    torch = pytest.importorskip("torch")
    path = tmp_path_factory.mktemp("published") / "epoch.pth"
    torch.save({f"module.{name}": value for name, value in published_state(3, 16).items()}, path)
    return path
