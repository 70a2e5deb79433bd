"""MaskAttn-UNet: a U-Net with mask attention on its coarse grids, from image to final answers.

Read top to bottom: sizes, the blocks, the network, and what export wraps around it. How objects
are told apart is in `grouping.py`.

Sources: U-Net, arxiv.org/abs/1505.04597; top-down decoder with lateral 1x1 convolutions,
arxiv.org/abs/1612.03144; mask attention, arxiv.org/abs/2503.10686; straight-through estimator,
arxiv.org/abs/1308.3432; ImageNet statistics, pytorch.org/vision/stable/models.html.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import torch
import torch.nn.functional as F  # noqa: N812 - the name that PyTorch's own documents use
from torch import Tensor, nn

from maskattn_edge.contract.classes import IGNORE
from maskattn_edge.contract.errors import ContractError, UsageError
from maskattn_edge.contract.spec import TASKS, Task
from maskattn_models import backbone
from maskattn_models.backbone import BACKBONES, Backbone, efficientnet_lite0, load_pretrained
from maskattn_models.grouping import MIN_CENTRE, Grouping, HeadMaps, Objects

Size = Literal["n", "s", "m", "l"]

WIDTHS: dict[Size, tuple[int, int, int, int, int]] = {
    "n": (16, 32, 64, 96, 32),
    "s": (32, 64, 128, 192, 64),
    "m": (64, 128, 256, 352, 96),
    "l": (128, 256, 384, 512, 224),
}
"""Channels on the grids 1/2, 1/4, 1/8 and 1/16 of the input, then of the decoder."""

ATTENTION = ("none", "convolution", "plain", "masked")
"""What follows the stages on the grids 1/8 and 1/16: nothing, a 3x3 convolution, attention without
the mask, mask attention. Which of them pays is measured in models/README.md; the default is what
won there."""

VARIANTS: dict[str, Callable[[MaskAttnUNet], None]] = {}
"""Further kinds of attention, each a change to a network that has none; the product has no such
kind, `maskattn_models.study.variants` offers some for comparison."""

PEERS = ("plain-unet", "segformer-b0")
"""Other architectures that `maskattn_models.peers` builds, for comparison."""

HEAD_SCALE = 2
"""Pixels of the input on a side of a cell of the heads' grid."""

MASKED = -20.0
"""Bias of a masked key: e^-20 is nothing beside a kept key, yet finite in fp16. Where every key
is masked the constant cancels in the softmax, so that all are kept: a row is never empty."""

_MEAN = (123.675, 116.28, 103.53)
_STD = (58.395, 57.12, 57.375)


@dataclass(frozen=True, kw_only=True)
class NetworkConfig:
    """Everything that decides the network's graph.

    Args:
        classes: number of labels, 1..255.
        size: a key of `WIDTHS`.
        height, width: of the input in pixels, multiples of 16.
        head_channels: channels of one attention head.
        attention: one of `ATTENTION`.
        dropout: share of the decoder's channels that are dropped in training.
        backbone: the encoder, a name of `BACKBONES`, or None for the network's own four stages.
            A backbone has a grid of 1/32, so that the input is a multiple of 32; the size then
            decides the decoder alone.
        task: `instance` and `panoptic` add heads that tell objects apart. Their networks are the
            same: stuff is the background of instances, and costs a channel a class.
        things: indices of the classes whose objects are told apart; none for `semantic`.
        peer: another architecture in the network's place, a name of `PEERS`; it has one size, no
            backbone and no attention of ours, and tells no objects apart.

    Raises:
        UsageError: a name is unknown, or a number is out of range.
    """

    classes: int
    size: Size = "s"
    height: int = 128
    width: int = 128
    head_channels: int = 32
    attention: str = "none"
    dropout: float = 0.1
    backbone: Backbone | None = None
    task: Task = "semantic"
    things: tuple[int, ...] = ()
    peer: str | None = None

    def __post_init__(self) -> None:
        if self.size not in WIDTHS:
            raise UsageError(f"unknown size {self.size!r}; available: {', '.join(WIDTHS)}")
        if self.backbone is not None and self.backbone not in BACKBONES:
            raise UsageError(
                f"unknown backbone {self.backbone!r}; available: {', '.join(BACKBONES)}"
            )
        if self.attention not in (known := (*ATTENTION, *VARIANTS)):
            raise UsageError(f"unknown attention {self.attention!r}; available: {', '.join(known)}")
        if not 1 <= self.classes <= IGNORE:
            raise UsageError(f"a network has 1 to {IGNORE} classes, got {self.classes}")
        self._check_peer()
        unit = 16 if self.backbone is None and self.peer != "segformer-b0" else 32
        if self.height % unit or self.width % unit or min(self.height, self.width) < 32:
            raise UsageError(
                f"the input must be a multiple of {unit} and at least 32 pixels, got "
                f"{self.height}x{self.width}"
            )
        self._check_things()

    def _check_peer(self) -> None:
        if self.peer is None:
            return
        if self.peer not in PEERS:
            raise UsageError(f"unknown peer {self.peer!r}; available: {', '.join(PEERS)}")
        if self.backbone is not None or self.attention != "none" or self.task != "semantic":
            raise UsageError(
                f"the peer {self.peer} is semantic, and takes neither a backbone nor attention"
            )

    def _check_things(self) -> None:
        if self.task not in TASKS:
            raise UsageError(f"unknown task {self.task!r}; available: {', '.join(TASKS)}")
        if bool(self.things) != self.finds_objects:
            raise UsageError(
                f"a network for the task {self.task!r} "
                + ("needs classes that are things" if self.finds_objects else "has no things")
            )
        if list(self.things) != sorted({index for index in self.things if index >= 0}) or (
            self.things and self.things[-1] >= self.classes
        ):
            raise UsageError(
                f"things are classes from 0 to {self.classes - 1}, ascending, got {self.things}"
            )

    @property
    def finds_objects(self) -> bool:
        """Whether objects are told apart."""
        return self.task != "semantic"

    @property
    def normalization(self) -> tuple[tuple[float, ...], tuple[float, ...]]:
        """Mean and deviation of red, green and blue in 0..255 that the encoder expects."""
        if self.backbone is None:
            return _MEAN, _STD
        return (backbone.MEAN,) * 3, (backbone.STD,) * 3


def conv_bn_relu(inputs: int, outputs: int, *, stride: int = 1) -> nn.Sequential:
    """A 3x3 convolution; batch norm folds into it at export, and ReLU fuses and quantises well."""
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, 3, stride=stride, padding=1, bias=False),
        nn.BatchNorm2d(outputs),
        nn.ReLU(inplace=True),
    )


class MaskAttention(nn.Module):
    """Self-attention over a grid in which a learned binary mask decides which keys take part.

    One extra output channel of the QKV convolution is the mask's logit: a key is kept where it
    is positive, and a bias on the scores takes the others out, the form that fuses into one
    attention kernel. In training the values are the same and the gradient is that of a soft mask,
    the log of a sigmoid on the scores: bounded, and a masked key still learns whether it would
    have helped. (The gradient of the 0/1 mask itself grows with the exponential of a masked key's
    lead over the kept ones, and a few such steps end the learning.)
    """

    def __init__(self, channels: int, *, head_channels: int, masked: bool) -> None:
        super().__init__()
        self.heads = max(1, channels // head_channels)
        self.head_channels = head_channels
        self.masked = masked
        inner = self.heads * head_channels
        self.parts = [inner, inner, inner] + [1] * masked  # channels of Q, K, V and the mask
        self.qkv = nn.Conv2d(channels, sum(self.parts), 1)
        self.project = nn.Conv2d(inner, channels, 1, bias=False)
        self.norm = nn.BatchNorm2d(channels)
        nn.init.zeros_(self.norm.weight)  # the block begins as the identity
        if masked:
            with torch.no_grad():
                self.qkv.weight[-1].mul_(0.1)
                assert self.qkv.bias is not None
                self.qkv.bias[-1] = 1.0  # and with every key kept

    def forward(self, x: Tensor) -> Tensor:
        """Attend over x, (B, C, H, W), and add the result to it."""
        batch, _, height, width = x.shape
        parts = self.qkv(x).split(self.parts, dim=1)  # (B, I, H, W) each, the mask (B, 1, H, W)
        grid = (batch, self.heads, self.head_channels, height * width)
        query, key, value = (part.reshape(grid) for part in parts[:3])  # (B, h, d, N)
        logit = parts[3].reshape(batch, 1, 1, height * width) if self.masked else None
        query = query * (1 / math.sqrt(self.head_channels))  # before the product: this fuses
        scores = query.transpose(2, 3) @ key  # (B, h, N queries, N keys)
        attention = self._weights(scores, logit)
        mixed = attention.to(value.dtype) @ value.transpose(2, 3)  # (B, h, N, d)
        mixed = mixed.transpose(2, 3).flatten(1, 2).unflatten(2, (height, width))
        attended: Tensor = self.norm(self.project(mixed))
        return x + attended

    def _weights(self, scores: Tensor, logit: Tensor | None) -> Tensor:
        if logit is None:
            return scores.softmax(-1)
        bias = torch.where(logit > 0, 0.0, MASKED).to(scores.dtype)
        hard = (scores + bias).softmax(-1)
        if not self.training:
            return hard
        soft = (scores.float() + F.logsigmoid(logit.float())).softmax(-1)
        return soft + (hard.float() - soft).detach()

    def key_mask(self, x: Tensor) -> Tensor:
        """Which positions of x, (B, C, H, W), are kept as keys: (B, H, W) bool."""
        if not self.masked:
            return torch.ones_like(x[:, 0], dtype=torch.bool)
        kept: Tensor = self.qkv(x)[:, -1] > 0
        none = ~kept.flatten(1).any(1)
        return kept | none[:, None, None]


class SegmentationNetwork(nn.Module):
    """Any network that `Deployed` wraps: normalised image (B, 3, H, W) to logits (B, K, H, W)."""

    @property
    def normalization(self) -> tuple[tuple[float, ...], tuple[float, ...]]:
        """Mean and deviation of red, green and blue in 0..255; ImageNet's if not its own."""
        return _MEAN, _STD

    @property
    def grouping(self) -> Grouping | None:
        """How the maps of `heads` become objects; None where the network has no such heads."""
        return None

    def heads(self, x: Tensor) -> HeadMaps:
        """Maps of classes, centres and offsets of x, (B, 3, H, W)."""
        raise NotImplementedError(f"{type(self).__name__} tells no objects apart")


class MaskAttnUNet(SegmentationNetwork):
    """The network: normalised image (B, 3, H, W) to logits (B, classes, H, W).

    Four stages of two 3x3 convolutions halve the grid down to 1/16; mask attention follows the
    last two where the configuration asks for it; a top-down decoder adds the stages up again
    to 1/2, where the logits are made and scaled to the input's size. With a backbone the stages
    are its own, and a fifth, on 1/32, gives context to the fourth.

    Where objects are told apart, `heads` gives the logits on the grid 1/2 with a heat map of
    centres and offsets to them, which one 3x3 convolution of half the decoder's channels feeds.
    """

    def __init__(self, config: NetworkConfig) -> None:
        super().__init__()
        self.config = config
        *widths, decoder = WIDTHS[config.size]
        if config.backbone is None:
            stages = _own_stages(widths)
        else:
            *widths, fifth = backbone.WIDTHS
            *stages, self.stage5 = efficientnet_lite0()
            self.lateral5 = nn.Conv2d(fifth, decoder, 1)
            self.decode4 = conv_bn_relu(decoder, decoder)
        self.stage1, self.stage2, self.stage3, self.stage4 = stages
        first, second, third, fourth = widths
        self.attention3 = self._attention(third)
        self.attention4 = self._attention(fourth)
        self.lateral1 = nn.Conv2d(first, decoder, 1)
        self.lateral2 = nn.Conv2d(second, decoder, 1)
        self.lateral3 = nn.Conv2d(third, decoder, 1)
        self.lateral4 = nn.Conv2d(fourth, decoder, 1)
        self.decode3 = conv_bn_relu(decoder, decoder)
        self.decode2 = conv_bn_relu(decoder, decoder)
        self.decode1 = conv_bn_relu(decoder, decoder)
        self.drop = nn.Dropout2d(config.dropout)
        self.head = nn.Conv2d(decoder, config.classes, 1)
        if config.finds_objects:
            self.object_stem = conv_bn_relu(decoder, decoder // 2)
            self.object_head = nn.Conv2d(decoder // 2, 3, 1)  # the centre's logit, offset x and y
            with torch.no_grad():
                assert self.object_head.bias is not None
                # Few cells are centres: begin there, not at a half.
                self.object_head.bias[0] = math.log(MIN_CENTRE / (1 - MIN_CENTRE))

    @property
    def normalization(self) -> tuple[tuple[float, ...], tuple[float, ...]]:
        """As its configuration has it."""
        return self.config.normalization

    def _attention(self, channels: int) -> nn.Module:
        kind = self.config.attention
        if kind == "convolution":
            return conv_bn_relu(channels, channels)
        if kind in ("plain", "masked"):
            heads = self.config.head_channels
            return MaskAttention(channels, head_channels=heads, masked=kind == "masked")
        return nn.Identity()

    @property
    def grouping(self) -> Grouping | None:
        """Of its heads, on the grid 1/2."""
        config = self.config
        if not config.finds_objects:
            return None
        return Grouping(
            config.classes,
            config.things,
            height=config.height // HEAD_SCALE,
            width=config.width // HEAD_SCALE,
            scale=HEAD_SCALE,
        )

    def forward(self, x: Tensor) -> Tensor:
        """Logits (B, classes, H, W) of x, (B, 3, H, W)."""
        return enlarge(self.coarse(x))

    def coarse(self, x: Tensor) -> Tensor:
        """Logits (B, classes, H/2, W/2) of x, (B, 3, H, W)."""
        logits: Tensor = self.head(self.drop(self.decode(x)))
        return logits

    def heads(self, x: Tensor) -> HeadMaps:
        """Maps on the grid 1/2 of x, (B, 3, H, W), for a network that tells objects apart."""
        return self.maps(self.decode(x))

    def maps(self, decoded: Tensor) -> HeadMaps:
        """The same of what `decode` gives, (B, C, H/2, W/2)."""
        y = self.drop(decoded)
        centre, offset = self.object_head(self.object_stem(y)).split([1, 2], dim=1)
        return HeadMaps(self.head(y), centre, offset)

    def decode(self, x: Tensor) -> Tensor:
        """What the heads see of x, (B, 3, H, W): (B, C, H/2, W/2)."""
        grid2 = self.stage1(x)  # (B, C, H/2, W/2)
        grid4 = self.stage2(grid2)
        grid8 = self.attention3(self.stage3(grid4))
        grid16 = self.attention4(self.stage4(grid8))
        y = self.lateral4(grid16)
        if self.config.backbone is not None:
            y = self.decode4(y + _double(self.lateral5(self.stage5(grid16))))
        y = self.decode3(self.lateral3(grid8) + _double(y))
        y = self.decode2(self.lateral2(grid4) + _double(y))
        decoded: Tensor = self.decode1(self.lateral1(grid2) + _double(y))
        return decoded

    def load_pretrained(self) -> None:
        """Give the backbone's stages the weights of a training on ImageNet.

        Raises:
            UsageError: the network has no backbone.
            MissingDependencyError: the package with the weights is not installed.
            CheckpointError: its file is not what it should be.
        """
        if self.config.backbone is None:
            raise UsageError("only a backbone is pretrained, and this network has none")
        load_pretrained([self.stage1, self.stage2, self.stage3, self.stage4, self.stage5])


def enlarge(logits: Tensor) -> Tensor:
    """Logits on the heads' grid, (B, K, h, w), at the input's size."""
    return F.interpolate(logits, scale_factor=HEAD_SCALE, mode="bilinear", align_corners=False)


def _own_stages(widths: Sequence[int]) -> list[nn.Sequential]:
    """Two 3x3 convolutions on each grid, the first of which halves it."""
    return [
        nn.Sequential(conv_bn_relu(inputs, outputs, stride=2), conv_bn_relu(outputs, outputs))
        for inputs, outputs in zip((3, *widths), widths, strict=False)
    ]


def _double(x: Tensor) -> Tensor:
    return F.interpolate(x, scale_factor=2, mode="nearest")


class Deployed(nn.Module):
    """The network as the model file holds it: uint8 image (B, H, W, 3) RGB to final answers."""

    mean: Tensor
    std: Tensor

    def __init__(self, network: SegmentationNetwork) -> None:
        super().__init__()
        self.network = network
        self.grouping = network.grouping
        for name, values in zip(("mean", "std"), network.normalization, strict=True):
            self.register_buffer(name, torch.tensor(values).view(1, 3, 1, 1), persistent=False)

    def forward(self, image: Tensor) -> Tensor | Objects:
        """Labels (B, H, W) uint8 of image, (B, H, W, 3) uint8; or all of `Objects`."""
        normal = self.normalize(image.float())
        if self.grouping is not None:
            objects: Objects = self.grouping(self.network.heads(normal))
            return objects
        logits: Tensor = self.network(normal)
        return logits.argmax(1).to(torch.uint8)

    def normalize(self, image: Tensor) -> Tensor:
        """(B, H, W, 3) in 0..255 to (B, 3, H, W) of about zero mean and unit deviation."""
        normal: Tensor = (image.permute(0, 3, 1, 2) - self.mean) / self.std
        return normal


def build_network(config: NetworkConfig) -> MaskAttnUNet:
    """A network with fresh weights.

    Raises:
        ContractError: the configuration is not one.
    """
    if not isinstance(config, NetworkConfig):
        raise ContractError(f"a network is built from a NetworkConfig, got {type(config).__name__}")
    network = MaskAttnUNet(config)
    if config.attention in VARIANTS:
        VARIANTS[config.attention](network)
    return network
