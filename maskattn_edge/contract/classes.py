"""Classes of a model or data set: name, colour, and whether instances can be counted."""

from __future__ import annotations

import colorsys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import msgspec
import numpy as np
from numpy.typing import NDArray

from maskattn_edge.contract.errors import ContractError, DataError

IGNORE = 255
"""Label of pixels that are neither trained on nor scored, and are never predicted."""

MAX_CLASSES = 255
"""Labels are uint8 and 255 is `IGNORE`."""

_Byte = Annotated[int, msgspec.Meta(ge=0, le=255)]
_Name = Annotated[str, msgspec.Meta(min_length=1, max_length=128)]


class ClassInfo(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One class. `color` is RGB, 0..255; `thing` classes have countable instances."""

    name: _Name
    color: tuple[_Byte, _Byte, _Byte]
    thing: bool = False


def default_color(index: int) -> tuple[int, int, int]:
    """RGB of class `index` where none was chosen: hues a golden angle apart, alternating in value.

    >>> default_color(0)
    (230, 96, 96)
    """
    hue = (index * 0.61803398875) % 1.0
    saturation = (0.58, 0.75, 0.42)[index % 3]
    value = (0.90, 0.70, 1.0)[(index // 3) % 3]
    red, green, blue = colorsys.hsv_to_rgb(hue, saturation, value)
    return (int(red * 255), int(green * 255), int(blue * 255))


def numbered_classes(count: int) -> tuple[ClassInfo, ...]:
    """Classes named "0", "1", ... for masks or models that name none.

    Raises:
        ContractError: `count` is not within 1..255.
    """
    if not 1 <= count <= MAX_CLASSES:
        raise ContractError(f"a model has 1 to {MAX_CLASSES} classes, got {count}")
    return tuple(ClassInfo(str(index), default_color(index)) for index in range(count))


def things_of(classes: Sequence[ClassInfo]) -> tuple[int, ...]:
    """Indices of the classes that are things."""
    return tuple(index for index, info in enumerate(classes) if info.thing)


def palette(classes: Sequence[ClassInfo]) -> NDArray[np.uint8]:
    """RGB of every label, (256, 3) uint8; black for labels without a class, `IGNORE` too."""
    table = np.zeros((256, 3), np.uint8)
    for index, info in enumerate(classes):
        table[index] = info.color
    return table


class _ClassEntry(msgspec.Struct, forbid_unknown_fields=True):
    name: _Name
    color: tuple[_Byte, _Byte, _Byte] | None = None
    thing: bool = False


def read_classes(path: Path) -> tuple[ClassInfo, ...]:
    """Read `classes.json`: a list of names, or of `{"name", "color", "thing"}` objects.

    Raises:
        DataError: the file is missing, is not such a list, or names more than 255 classes.
    """
    try:
        entries = msgspec.json.decode(path.read_bytes(), type=list[_ClassEntry | str])
    except OSError as error:
        raise DataError(f"{path}: cannot read the class list: {error.strerror}") from error
    except msgspec.MsgspecError as error:
        raise DataError(
            f"{path}: not a class list ({error}); "
            'write ["floor", "wall"] or [{"name": "floor", "color": [90, 90, 90]}]'
        ) from error
    if not 1 <= len(entries) <= MAX_CLASSES:
        raise DataError(f"{path}: 1 to {MAX_CLASSES} classes are possible, it names {len(entries)}")
    return tuple(_to_class(index, entry) for index, entry in enumerate(entries))


def _to_class(index: int, entry: _ClassEntry | str) -> ClassInfo:
    if isinstance(entry, str):
        return ClassInfo(entry, default_color(index))
    return ClassInfo(entry.name, entry.color or default_color(index), entry.thing)


def classes_json(classes: Sequence[ClassInfo]) -> bytes:
    """The text of a `classes.json` for `classes`, UTF-8."""
    return msgspec.json.format(msgspec.json.encode(list(classes)), indent=2)
