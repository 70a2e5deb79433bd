"""Checkpoint files: written atomically, bounded before they are unpacked, never executed."""

from __future__ import annotations

import hashlib
import pickle
import warnings
import zipfile
from pathlib import Path

import torch

from maskattn_edge.contract.atomic import replacing
from maskattn_edge.contract.checkpoint import MAX_CHECKPOINT_BYTES
from maskattn_edge.contract.errors import CheckpointError, MaskAttnWarning
from maskattn_edge.contract.spec import InputSpec
from maskattn_models.checkpoint.checkpoint import Checkpoint
from maskattn_models.checkpoint.content import from_content, reason_of, to_content
from maskattn_models.published import (
    PublishedConfig,
    PublishedWeights,
    published_classes,
    read_published,
)


def save_checkpoint(path: Path, checkpoint: Checkpoint) -> None:
    """Write a checkpoint atomically: a kill at any moment leaves the former file.

    Raises:
        CheckpointError: the disk is full, the folder cannot be written, or the network is a
            published one, which only exists in its own form.
    """
    if isinstance(checkpoint.network, PublishedConfig):
        raise CheckpointError(f"{path}: a published network has a form of its own: keep its file")
    content = to_content(checkpoint)
    try:
        with replacing(path) as temporary:
            torch.save(content, temporary)
    except (OSError, RuntimeError) as error:  # torch reports a full disk as a RuntimeError
        reason = "the disk is full" if isinstance(error, RuntimeError) else reason_of(error)
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
            f"{path}: not a complete checkpoint ({reason_of(error)}): copy it again"
        ) from error
    try:
        published = read_published(content)
        if published is not None:
            return _from_published(published, path)
        return from_content(content, _sha256(path))
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


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.sha256(file.read()).hexdigest()
