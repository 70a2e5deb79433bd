"""Published checkpoints: recognised by their keys, checked key by key, and renamed.

The published scripts save plain state dicts (`checkpoint*.pth`, `epoch*.pth`), with `module.`
before each key where the network was wrapped for several GPUs. One kept in a dictionary, under
`state_dict` or `model_state_dict`, is read too.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from maskattn_edge.contract.errors import CheckpointError, UsageError
from maskattn_models.published.network import PublishedConfig, build_published

WRAPPED = "module."
WRAPPERS = ("state_dict", "model_state_dict")

_STAGES = (1, 2, 3)
_NAMES = {
    "initial_conv.conv_block": "stem",
    **{f"downsample{n}.maxpool_conv.3": f"down{n}.change.5" for n in _STAGES},
    **{f"downsample{n}.maxpool_conv.2.conv_block": f"down{n}.change" for n in _STAGES},
    **{f"downsample{n}.maxpool_conv.1.conv_block": f"down{n}.refine.body" for n in _STAGES},
    **{f"bottom{n}.conv_block": f"bottom{n}" for n in _STAGES},
    **{f"upsample{n}.conv.2": f"up{n}.change.5" for n in _STAGES},
    **{f"upsample{n}.conv.1.conv_block": f"up{n}.change" for n in _STAGES},
    **{f"upsample{n}.conv.0.conv_block": f"up{n}.refine.body" for n in _STAGES},
    **{f"self_attention{n}": f"attention{n}" for n in (1, 2, 3, 4, 5, 6)},
    "norm": "norm",
    "final_layer": "head",
}
"""Published name of a module: ours. `change.5` stands before `change`, of which it is a part."""

_DEAD = {
    f"{way}sample{n}.emb_layer.1": channels
    for way, widths in (("down", (128, 256, 256)), ("up", (128, 64, 64)))
    for n, channels in zip(_STAGES, widths, strict=True)
}
"""Linear layers of 256 inputs that no published forward pass calls, and their outputs."""

_MARKS = tuple(f"{name}." for name in (*_NAMES, *_DEAD) if name not in ("norm", "final_layer"))
"""Beginnings of keys that tell this network; many another has a `norm` and a `final_layer`."""

_INSTANCE_HEADS = ("boundary_head.", "embedding_head.")


@dataclass(frozen=True, kw_only=True)
class PublishedWeights:
    """A published checkpoint's network: its configuration, and weights under our names.

    `instance_heads` tells whether it also had the two heads of the Cityscapes instance script, on
    which labels do not depend; they are left out.
    """

    config: PublishedConfig
    weights: Mapping[str, Tensor]
    instance_heads: bool = False


def read_published(content: object) -> PublishedWeights | None:
    """The network of a published checkpoint; None if `content` is something else.

    Args:
        content: as `torch.load(..., weights_only=True)` returned it.

    Raises:
        CheckpointError: it has keys of the published network, but not all, others as well, or
            tensors of other shapes; one line that names the first.
    """
    found = _state_dict(content)
    if found is None:
        return None
    state = _unwrapped(found)
    config = _config(state)
    expected = published_shapes(config)
    core = {key: value for key, value in state.items() if not key.startswith(_INSTANCE_HEADS)}
    _check(core, expected)
    return PublishedWeights(
        config=config,
        weights={_rename(key): value for key, value in core.items() if not _is_dead(key)},
        instance_heads=len(core) < len(state),
    )


def published_shapes(config: PublishedConfig) -> dict[str, tuple[int, ...]]:
    """Every key of a published state dict and its tensor's shape, without `module.`."""
    with torch.device("meta"):
        ours = build_published(config).state_dict()
    shapes = {_published_name(key): tuple(value.shape) for key, value in ours.items()}
    for name, channels in _DEAD.items():
        shapes |= {f"{name}.weight": (channels, 256), f"{name}.bias": (channels,)}
    return shapes


def _state_dict(content: object) -> Mapping[str, Tensor] | None:
    """The mapping that has the published network's keys, whatever holds it."""
    if not isinstance(content, Mapping):
        return None
    inner = next((content[name] for name in WRAPPERS if name in content), content)
    if not isinstance(inner, Mapping) or not all(isinstance(key, str) for key in inner):
        return None
    return inner if any(_bare(key).startswith(_MARKS) for key in inner) else None


def _bare(key: str) -> str:
    return key.removeprefix(WRAPPED)


def _unwrapped(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The state dict without `module.`, which all keys have, or none."""
    wrapped = sum(key.startswith(WRAPPED) for key in state)
    if wrapped not in (0, len(state)):
        raise CheckpointError(
            f"it mixes two state dicts: {wrapped} of its {len(state)} keys begin with `{WRAPPED}`"
        )
    for key, value in state.items():
        if not isinstance(value, Tensor):
            raise CheckpointError(f"its {key} is {type(value).__name__}, a tensor is expected")
    return {_bare(key): value for key, value in state.items()}


def _config(state: Mapping[str, Tensor]) -> PublishedConfig:
    """The number of classes and the size of the input, as the first and last weights tell."""
    for key, dimensions in (("final_layer.0.weight", 4), ("norm.weight", 3)):
        if key not in state:
            raise CheckpointError(f"it has keys of the published network, but lacks {key}")
        if state[key].ndim != dimensions:
            raise CheckpointError(f"its {key} has the shape {tuple(state[key].shape)}")
    classes = state["final_layer.0.weight"].shape[0]
    _, height, width = state["norm.weight"].shape
    try:
        return PublishedConfig(classes=classes, height=height, width=width)
    except UsageError as error:
        raise CheckpointError(f"its weights do not fit the published network: {error}") from error


def _check(state: Mapping[str, Tensor], expected: Mapping[str, tuple[int, ...]]) -> None:
    differences = (
        ("lacks", [key for key in expected if key not in state]),
        ("also has", [key for key in state if key not in expected]),
    )
    parts = [f"{verb} {_some(keys)}" for verb, keys in differences if keys]
    if parts:
        raise CheckpointError(f"it has keys of the published network, but {' and '.join(parts)}")
    for key, shape in expected.items():
        if tuple(state[key].shape) != shape:
            raise CheckpointError(
                f"its {key} has the shape {tuple(state[key].shape)}, the published network's has "
                f"{shape}"
            )


def _some(keys: list[str]) -> str:
    more = f" and {len(keys) - 1} more" if len(keys) > 1 else ""
    return f"{keys[0]}{more}"


def _is_dead(key: str) -> bool:
    return key.rpartition(".")[0] in _DEAD


def _rename(key: str) -> str:
    return _replace_prefix(key, _NAMES)


def _published_name(key: str) -> str:
    return _replace_prefix(key, {ours: theirs for theirs, ours in _NAMES.items()})


def _replace_prefix(key: str, names: Mapping[str, str]) -> str:
    old = next(name for name in names if key.startswith(f"{name}."))
    return names[old] + key.removeprefix(old)
