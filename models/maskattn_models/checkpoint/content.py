"""A checkpoint as plain data and tensors, and back from such data as a stranger may write."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

import msgspec
import numpy as np
import torch

from maskattn_edge.contract.checkpoint import (
    FORMAT,
    MAX_CALIBRATION,
    MAX_HELD_OUT,
    MAX_SAMPLE_BYTES,
    VERSION,
)
from maskattn_edge.contract.classes import ClassInfo
from maskattn_edge.contract.errors import CheckpointError, UsageError
from maskattn_edge.contract.spec import InputSpec, Task
from maskattn_models.checkpoint.checkpoint import Checkpoint, Samples
from maskattn_models.network import NetworkConfig


def to_content(checkpoint: Checkpoint) -> dict[str, Any]:
    """What is written; see `maskattn_edge.contract.checkpoint`."""
    return {
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


def from_content(content: object, sha256: str) -> Checkpoint:
    """A checkpoint of what was read, whatever that is; `sha256` is of its file.

    Raises:
        CheckpointError: it is not a checkpoint, of another version, or damaged.
    """
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
        checkpoint = _convert(content, sha256)
    except (KeyError, TypeError, AttributeError, UsageError, msgspec.ValidationError) as error:
        raise CheckpointError(f"its content is damaged: {reason_of(error)}") from error
    if checkpoint.network.classes != len(checkpoint.classes):
        raise CheckpointError(
            f"it names {len(checkpoint.classes)} classes for a network of "
            f"{checkpoint.network.classes}"
        )
    if checkpoint.task != getattr(checkpoint.network, "task", "semantic"):
        raise CheckpointError(f"its network is not one for its task, {checkpoint.task!r}")
    return checkpoint


def _convert(content: dict[str, Any], sha256: str) -> Checkpoint:
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


def reason_of(error: Exception) -> str:
    """What an error of a library says, in at most a line."""
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    lines = str(error).strip().splitlines()
    return lines[0][:160] if lines else type(error).__name__
