"""What a prepared data set says of itself: `manifest.json`, written last."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import msgspec

from maskattn_edge.contract.classes import ClassInfo
from maskattn_edge.contract.errors import DataError
from maskattn_edge.contract.spec import Task
from maskattn_edge.contract.versioned_json import decode_versioned
from maskattn_models.data.files import read_file

SCHEMA = 1
"""Version of the prepared form; raised when a reader of the former version would go wrong."""

KIND: Literal["maskattn-edge prepared data set"] = "maskattn-edge prepared data set"
NAME = "manifest.json"


class SplitEntry(msgspec.Struct, frozen=True, kw_only=True):
    """A split: pictures, size of its arrays, and SHA-256 of each of its files."""

    images: int
    height: int
    width: int
    sha256: dict[str, str]


class OfficialEntry(msgspec.Struct, frozen=True, kw_only=True):
    """An `OfficialTruth`; paths are relative to the originals."""

    kind: Literal["instances", "panoptic"]
    annotations: str
    pictures: str | None
    category_ids: tuple[int, ...]


class SampleList(msgspec.Struct, frozen=True, kw_only=True):
    """`samples.json` of a split: files relative to the originals, and official image ids."""

    files: list[tuple[str, str | None, str | None]]
    image_ids: list[int | str]


class Manifest(msgspec.Struct, frozen=True, kw_only=True):
    """The whole of it.

    `source` is where the originals lie, relative to the manifest; `grid` is the network's
    (height, width), of which the training split is larger by `working_scale`; `downloads` holds the
    SHA-256 of archives that were fetched.
    """

    schema: int = SCHEMA
    kind: Literal["maskattn-edge prepared data set"] = KIND
    name: str
    reader: str
    annotations: str
    source: str
    classes: tuple[ClassInfo, ...]
    tasks: tuple[Task, ...]
    grid: tuple[int, int]
    working_scale: float
    resize: Literal["stretch", "letterbox"]
    splits: dict[str, SplitEntry]
    official: dict[str, tuple[OfficialEntry, ...]]
    downloads: dict[str, str]
    versions: dict[str, str]


class _Kind(msgspec.Struct):
    kind: str = ""


def is_prepared(root: Path) -> bool:
    """Whether `root` holds a set that `data prepare` finished."""
    try:
        return msgspec.json.decode((root / NAME).read_bytes(), type=_Kind).kind == KIND
    except (OSError, msgspec.MsgspecError, UnicodeDecodeError):
        return False


def read_manifest(root: Path) -> Manifest:
    """Read the manifest of a prepared set.

    Raises:
        DataError: it is missing or damaged, or of another version.
    """
    path = root / NAME
    return decode_versioned(
        read_file(path),
        Manifest,
        schema=SCHEMA,
        error=DataError,
        what=f"{path}: the manifest",
        remedy="prepare the data set again in another folder",
    )


def manifest_json(manifest: Manifest) -> bytes:
    """Its text, UTF-8."""
    return msgspec.json.format(msgspec.json.encode(manifest), indent=1) + b"\n"
