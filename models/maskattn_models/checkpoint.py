"""Checkpoints: written whole or not at all, read as from a stranger.

The layout and its limits are the contract `maskattn_edge.contract.checkpoint`. Checkpoints of the
published MaskAttn-UNet are read too: `maskattn_models.published`.
"""

from __future__ import annotations

import hashlib
import pickle
import warnings
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from maskattn_edge.contract.atomic import replacing
from maskattn_edge.contract.checkpoint import (
    FORMAT,
    MAX_CALIBRATION,
    MAX_CHECKPOINT_BYTES,
    MAX_HELD_OUT,
    MAX_SAMPLE_BYTES,
    VERSION,
)
from maskattn_edge.contract.classes import ClassInfo
from maskattn_edge.contract.errors import (
    CheckpointError,
    ContractError,
    MaskAttnWarning,
    UsageError,
)
from maskattn_edge.contract.spec import InputSpec, ModelSpec, PrecisionSpec, Task
from maskattn_edge.pictures import decode_labels, decode_rgb, encode_labels, encode_rgb
from maskattn_edge.segmentation import Segmentation
from maskattn_edge.segments import Segments, segments_of_maps
from maskattn_models.answers import answers
from maskattn_models.network import Deployed, NetworkConfig, SegmentationNetwork, build_network
from maskattn_models.published import (
    PublishedConfig,
    PublishedWeights,
    build_published,
    published_classes,
    read_published,
)


@dataclass(frozen=True, kw_only=True)
class Samples:
    """Pictures of the network's size that travel with the weights, as bytes of PNG files.

    `calibration` images come from the training split; `held_out` pairs an image with its labels
    and was never trained on; `held_out_instances` are as many, where objects are told apart.
    """

    calibration: tuple[bytes, ...] = ()
    held_out: tuple[tuple[bytes, bytes], ...] = ()
    held_out_instances: tuple[bytes, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Checkpoint:
    """A checkpoint in memory; see `maskattn_edge.contract.checkpoint` for each part."""

    network: NetworkConfig | PublishedConfig
    weights: Mapping[str, Tensor]
    classes: tuple[ClassInfo, ...]
    input: InputSpec
    task: Task = "semantic"
    training: Mapping[str, Any] = field(default_factory=dict)
    metrics: Mapping[str, float] = field(default_factory=dict)
    history: Sequence[Mapping[str, float]] = ()
    samples: Samples = field(default_factory=Samples)
    resume: Mapping[str, Any] | None = None
    sha256: str = ""

    def build(self) -> SegmentationNetwork:
        """The network with these weights, in evaluation mode on the CPU.

        Raises:
            CheckpointError: the weights are not those of the configuration.
        """
        network: SegmentationNetwork
        if isinstance(self.network, PublishedConfig):
            network = build_published(self.network)
        else:
            network = build_network(self.network)
        try:
            network.load_state_dict(dict(self.weights))
        except RuntimeError as error:
            first = " ".join(str(error).split())[:200]
            raise CheckpointError(f"its weights do not fit its configuration: {first}") from error
        return network.eval()


@dataclass(frozen=True)
class LoadedNetwork:
    """A checkpoint's network, ready to label images on the CPU."""

    checkpoint: Checkpoint
    module: Deployed

    @property
    def classes(self) -> tuple[ClassInfo, ...]:
        """Classes of the labels."""
        return self.checkpoint.classes

    @property
    def input(self) -> InputSpec:
        """Size of the images, and how a frame is brought to it."""
        return self.checkpoint.input

    def predict(self, image_nhwc: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Labels (B, H, W) uint8 of images, (B, H, W, 3) uint8 RGB."""
        return np.stack([answer.labels for answer in answers(self.module, image_nhwc)])

    def segment(self, image_nhwc: NDArray[np.uint8]) -> Segmentation:
        """The whole answer for one image, (1, H, W, 3) uint8 RGB, as an engine gives it."""
        answer = answers(self.module, image_nhwc)[0]
        spec = ModelSpec(
            name="",
            task=self.checkpoint.task,
            classes=self.classes,
            input=self.input,
            precision=PrecisionSpec(name="fp32"),
        )
        return Segmentation(labels=answer.labels, spec=spec, instances=answer.instances)


def save_checkpoint(path: Path, checkpoint: Checkpoint) -> None:
    """Write a checkpoint atomically: a kill at any moment leaves the former file.

    Raises:
        CheckpointError: the disk is full, the folder cannot be written, or the network is a
            published one, which only exists in its own form.
    """
    if isinstance(checkpoint.network, PublishedConfig):
        raise CheckpointError(f"{path}: a published network has a form of its own: keep its file")
    content = {
        "format": FORMAT,
        "version": VERSION,
        "task": checkpoint.task,
        "network": asdict(checkpoint.network),
        "weights": dict(checkpoint.weights),
        "classes": msgspec.to_builtins(checkpoint.classes),
        "input": msgspec.to_builtins(checkpoint.input),
        "training": dict(checkpoint.training),
        "metrics": dict(checkpoint.metrics),
        "history": [dict(row) for row in checkpoint.history],
        "samples": {
            "calibration": _pack(checkpoint.samples.calibration),
            "held_out_images": _pack([image for image, _ in checkpoint.samples.held_out]),
            "held_out_labels": _pack([labels for _, labels in checkpoint.samples.held_out]),
            "held_out_instances": _pack(checkpoint.samples.held_out_instances),
        },
        "resume": None if checkpoint.resume is None else dict(checkpoint.resume),
    }
    try:
        with replacing(path) as temporary:
            torch.save(content, temporary)
    except (OSError, RuntimeError) as error:  # torch reports a full disk as a RuntimeError
        reason = "the disk is full" if isinstance(error, RuntimeError) else _reason(error)
        raise CheckpointError(
            f"{path}: cannot write the checkpoint ({reason}): free some space or choose "
            "another folder"
        ) from error


def load_checkpoint(path: Path, *, map_location: str = "cpu") -> Checkpoint:
    """Read a checkpoint, of this contract or a published one; nothing in it is executed.

    A published one lacks names of its classes: `<stem>.classes.json` beside it is read, if there.

    Raises:
        CheckpointError: the file is missing, truncated, too large, would execute code, or is not
            a checkpoint of either kind. The message names the file.
        DataError: `<stem>.classes.json` does not name the classes of a published network.

    Warns:
        MaskAttnWarning: the checkpoint is a published one; the message says what is missing in it
            and how it was filled.
    """
    _check_container(path)
    try:
        content = torch.load(path, map_location=map_location, weights_only=True)
    except pickle.UnpicklingError as error:
        raise CheckpointError(
            f"{path}: it holds Python objects that would run code, so it was not loaded; only "
            "tensors and plain data are accepted"
        ) from error
    except (RuntimeError, EOFError, OSError, ValueError, KeyError) as error:
        raise CheckpointError(
            f"{path}: not a complete checkpoint ({_reason(error)}): copy it again"
        ) from error
    try:
        published = read_published(content)
        if published is not None:
            return _from_published(published, path)
        return _parse(content, _sha256(path))
    except CheckpointError as error:
        raise CheckpointError(f"{path}: {error}") from error


def _from_published(published: PublishedWeights, path: Path) -> Checkpoint:
    config = published.config
    own_names = path.with_suffix(".classes.json")
    classes, source = published_classes(
        config.classes, own=own_names, instance_heads=published.instance_heads
    )
    warnings.warn(
        f"{path}: a published checkpoint, which lacks the key mask (random, drawn at the first "
        f"batch, never saved): every key is kept. It has {source}; other names go into "
        f"{own_names.name} beside it",
        MaskAttnWarning,
        stacklevel=3,
    )
    return Checkpoint(
        network=config,
        weights=published.weights,
        classes=classes,
        input=InputSpec(height=config.height, width=config.width, resize="stretch"),
        training={
            "data": f"not stated; published MaskAttn-UNet checkpoint, {source}; its key mask was "
            "not saved, every key is kept"
        },
        sha256=_sha256(path),
    )


def load_network(path: Path) -> LoadedNetwork:
    """The network of a checkpoint, as deployed: uint8 images in, labels out.

    Raises:
        CheckpointError: as `load_checkpoint`, or the weights do not fit the configuration.
    """
    checkpoint = load_checkpoint(path)
    try:
        return LoadedNetwork(checkpoint, Deployed(checkpoint.build()).eval())
    except CheckpointError as error:
        raise CheckpointError(f"{path}: {error}") from error


def pack_samples(
    calibration: Sequence[NDArray[np.uint8]],
    held_out: Sequence[tuple[NDArray[np.uint8], NDArray[np.uint8]]],
    instances: Sequence[NDArray[np.uint8]] = (),
) -> Samples:
    """Encode sample images (H, W, 3) RGB, held-out labels and instances (H, W), all uint8."""
    return Samples(
        calibration=tuple(encode_rgb(image) for image in calibration[:MAX_CALIBRATION]),
        held_out=tuple(
            (encode_rgb(image), encode_labels(labels)) for image, labels in held_out[:MAX_HELD_OUT]
        ),
        held_out_instances=tuple(encode_labels(one) for one in instances[:MAX_HELD_OUT]),
    )


def calibration_images(checkpoint: Checkpoint) -> list[NDArray[np.uint8]]:
    """The checkpoint's calibration images, each (H, W, 3) uint8 RGB.

    Raises:
        CheckpointError: a stored picture is damaged or of another size.
    """
    return [_rgb(data, checkpoint.input) for data in checkpoint.samples.calibration]


def held_out_images(
    checkpoint: Checkpoint,
) -> list[tuple[NDArray[np.uint8], NDArray[np.uint8]]]:
    """The checkpoint's held-out images (H, W, 3) RGB with labels (H, W), all uint8.

    Raises:
        CheckpointError: a stored picture is damaged or of another size.
    """
    size = checkpoint.input
    try:
        return [
            (_rgb(image, size), decode_labels(labels, height=size.height, width=size.width))
            for image, labels in checkpoint.samples.held_out
        ]
    except ContractError as error:
        raise CheckpointError(f"the checkpoint's samples are damaged: {error}") from error


def held_out_segments(checkpoint: Checkpoint) -> list[Segments]:
    """Truth of the held-out images; empty where the checkpoint's task tells no objects apart.

    Raises:
        CheckpointError: a stored picture is damaged or of another size.
    """
    size = checkpoint.input
    stored = checkpoint.samples.held_out_instances
    if not stored:
        return []
    try:
        maps = [decode_labels(data, height=size.height, width=size.width) for data in stored]
    except ContractError as error:
        raise CheckpointError(f"the checkpoint's samples are damaged: {error}") from error
    return [
        segments_of_maps(labels, instances, checkpoint.classes)
        for (_, labels), instances in zip(held_out_images(checkpoint), maps, strict=True)
    ]


def _rgb(data: bytes, size: InputSpec) -> NDArray[np.uint8]:
    try:
        return decode_rgb(data, height=size.height, width=size.width)
    except ContractError as error:
        raise CheckpointError(f"the checkpoint's samples are damaged: {error}") from error


def _pack(files: Sequence[bytes]) -> dict[str, Any]:
    joined = torch.frombuffer(bytearray(b"".join(files) or b"\0"), dtype=torch.uint8)
    return {"bytes": joined, "lengths": [len(file) for file in files]}


def _unpack(packed: Mapping[str, Any], *, most: int) -> tuple[bytes, ...]:
    data, lengths = packed["bytes"].numpy().tobytes(), packed["lengths"]
    if len(lengths) > most or any(not 0 < size <= MAX_SAMPLE_BYTES for size in lengths):
        raise CheckpointError("its stored samples break the limits of a checkpoint")
    ends = np.cumsum([0, *lengths]).tolist()
    if ends[-1] > len(data):
        raise CheckpointError("its stored samples are incomplete")
    return tuple(data[a:b] for a, b in zip(ends, ends[1:], strict=False))


def _check_container(path: Path) -> None:
    """Refuse what is not a plain archive of bounded size, before PyTorch unpacks it."""
    try:
        size = path.stat().st_size
        with zipfile.ZipFile(path) as archive:
            unpacked = sum(entry.file_size for entry in archive.infolist())
    except FileNotFoundError as error:
        raise CheckpointError(f"{path}: no such file") from error
    except zipfile.BadZipFile as error:
        raise CheckpointError(
            f"{path}: not a complete PyTorch checkpoint: it is truncated or of another kind"
        ) from error
    except OSError as error:
        raise CheckpointError(f"{path}: cannot be read: {error.strerror}") from error
    if max(size, unpacked) > MAX_CHECKPOINT_BYTES:
        raise CheckpointError(
            f"{path}: unpacks to {max(size, unpacked):,} bytes, at most {MAX_CHECKPOINT_BYTES:,} "
            "are accepted"
        )


def _parse(content: object, sha256: str) -> Checkpoint:
    if not isinstance(content, dict) or content.get("format") != FORMAT:
        raise CheckpointError(
            "it is not a checkpoint of this tool; train one with `maskattn-edge train`"
        )
    if content.get("version") != VERSION:
        raise CheckpointError(
            f"it has version {content.get('version')!r}, this release reads {VERSION}: install "
            "the release that wrote it"
        )
    try:
        checkpoint = _from_content(content, sha256)
    except (KeyError, TypeError, AttributeError, UsageError, msgspec.ValidationError) as error:
        raise CheckpointError(f"its content is damaged: {_reason(error)}") from error
    if checkpoint.network.classes != len(checkpoint.classes):
        raise CheckpointError(
            f"it names {len(checkpoint.classes)} classes for a network of "
            f"{checkpoint.network.classes}"
        )
    if checkpoint.task != getattr(checkpoint.network, "task", "semantic"):
        raise CheckpointError(f"its network is not one for its task, {checkpoint.task!r}")
    return checkpoint


def _from_content(content: dict[str, Any], sha256: str) -> Checkpoint:
    samples = content["samples"]
    images = _unpack(samples["held_out_images"], most=MAX_HELD_OUT)
    labels = _unpack(samples["held_out_labels"], most=MAX_HELD_OUT)
    instances: tuple[bytes, ...] = ()
    if "held_out_instances" in samples:  # a checkpoint from before objects were learned has none
        instances = _unpack(samples["held_out_instances"], most=MAX_HELD_OUT)
    if instances and len(instances) != len(images):
        raise CheckpointError("its stored samples are incomplete")
    return Checkpoint(
        network=NetworkConfig(**_present_names(content["network"])),
        weights=content["weights"],
        classes=msgspec.convert(content["classes"], tuple[ClassInfo, ...]),
        input=msgspec.convert(content["input"], InputSpec),
        task=msgspec.convert(content["task"], Task),
        training=dict(content["training"]),
        metrics={str(name): float(value) for name, value in content["metrics"].items()},
        history=[dict(row) for row in content["history"]],
        samples=Samples(
            calibration=_unpack(samples["calibration"], most=MAX_CALIBRATION),
            held_out=tuple(zip(images, labels, strict=True)),
            held_out_instances=instances,
        ),
        resume=content["resume"],
        sha256=sha256,
    )


def _present_names(network: Mapping[str, Any]) -> dict[str, Any]:
    """A network's configuration as this release names it: once `masked` told the attention."""
    named = dict(network)
    if "masked" in named:
        named["attention"] = "masked" if named.pop("masked") else "plain"
    return named


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.sha256(file.read()).hexdigest()


def _reason(error: Exception) -> str:
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    lines = str(error).strip().splitlines()
    return lines[0][:160] if lines else type(error).__name__
