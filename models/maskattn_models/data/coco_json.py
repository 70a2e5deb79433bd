"""COCO's annotation files: just the fields that are needed, read once and shared by threads.

Formats: cocodataset.org/#format-data (object detection, stuff and panoptic segmentation).
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Generic, TypeVar

import msgspec

from maskattn_edge.contract.classes import MAX_CLASSES, ClassInfo, default_color
from maskattn_edge.contract.errors import DataError
from maskattn_models.data.class_tables import ClassTable
from maskattn_models.data.files import read_file

Content = TypeVar("Content")
ImageId = int | str


_Side = Annotated[int, msgspec.Meta(ge=1, le=65_500)]
_FileName = Annotated[str, msgspec.Meta(max_length=255, pattern=r"^[^/\\]+$")]
"""A name in the split's folder: a path might lead out of the data set."""


class ImageEntry(msgspec.Struct, frozen=True, gc=False):
    """A picture; the JSON's key of it is `id`."""

    id: ImageId
    file_name: _FileName
    height: _Side
    width: _Side


class CategoryEntry(msgspec.Struct, frozen=True):
    """A category; files without `isthing` annotate things."""

    id: int
    name: str
    isthing: int = 1
    color: tuple[int, int, int] | None = None


class SegmentEntry(msgspec.Struct, frozen=True, gc=False):
    """A segment of a panoptic PNG."""

    id: int
    category_id: int
    iscrowd: int = 0


class PanopticEntry(msgspec.Struct, frozen=True):
    """The segments of one picture; `file_name` is its PNG."""

    image_id: ImageId
    file_name: _FileName
    segments_info: list[SegmentEntry]


class PanopticFile(msgspec.Struct, frozen=True):
    """`panoptic_*.json`."""

    images: list[ImageEntry]
    annotations: list[PanopticEntry]
    categories: list[CategoryEntry]


class MaskEntry(msgspec.Struct, frozen=True, gc=False):
    """A mask: polygons or run lengths, kept as JSON text until it is drawn."""

    image_id: ImageId
    category_id: int
    segmentation: msgspec.Raw
    iscrowd: int = 0


class InstancesFile(msgspec.Struct, frozen=True):
    """`instances_*.json` or `stuff_*.json`."""

    images: list[ImageEntry]
    annotations: list[MaskEntry]
    categories: list[CategoryEntry]


class CategoriesOnly(msgspec.Struct, frozen=True):
    """The categories of either kind of file."""

    categories: list[CategoryEntry]


def read_json(path: Path, kind: type[Content]) -> Content:
    """Read an annotation file of that kind.

    Raises:
        DataError: it is missing, cut short, or of another form.
    """
    try:
        return msgspec.json.decode(read_file(path), type=kind)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise DataError(
            f"{path}: not a COCO annotation file ({error}): download or write it again"
        ) from error


def table_of(categories: list[CategoryEntry], path: Path) -> ClassTable:
    """The classes of an annotation file, in the order of their ids.

    Raises:
        DataError: there are none or more than 255, or two have the same id.
    """
    ordered = sorted(categories, key=lambda entry: entry.id)
    if not 1 <= len(ordered) <= MAX_CLASSES:
        raise DataError(f"{path}: 1 to {MAX_CLASSES} categories are possible, has {len(ordered)}")
    if len({entry.id for entry in ordered}) < len(ordered):
        raise DataError(f"{path}: two categories have the same id: correct the list")
    try:
        classes = tuple(
            ClassInfo(entry.name, entry.color or default_color(index), entry.isthing != 0)
            for index, entry in enumerate(ordered)
        )
        return ClassTable(
            classes=msgspec.convert(msgspec.to_builtins(classes), tuple[ClassInfo, ...]),
            ids=tuple(entry.id for entry in ordered),
        )
    except msgspec.ValidationError as error:
        raise DataError(f"{path}: a category has no usable name or colour: {error}") from error


class Once(Generic[Content]):
    """A value that is computed when it is first asked for, by one thread for all."""

    def __init__(self, compute: Callable[[], Content]) -> None:
        self._compute = compute
        self._lock = threading.Lock()
        self._value: tuple[Content] | None = None

    def __call__(self) -> Content:
        """The value."""
        with self._lock:
            if self._value is None:
                self._value = (self._compute(),)
            return self._value[0]
