"""Finding the files of a data set: every image has its mask, every mask its image."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

from maskattn_edge.contract.errors import DataError
from maskattn_models.data.dataset import Sample

IMAGE_SUFFIXES = (".jpg", ".jpeg", ".png", ".bmp", ".webp")


def read_file(path: Path) -> bytes:
    """The bytes of a file.

    Raises:
        DataError: it is missing or cannot be read.
    """
    try:
        return path.read_bytes()
    except FileNotFoundError as error:
        raise DataError(f"{path}: no such file") from error
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror}") from error


def check_present(kind: str, paths: list[Path], named_by: Path) -> None:
    """Check that files which `named_by` names are there, by one listing of each folder.

    Raises:
        DataError: some are missing; the message names the first and the count.
    """
    names = {folder: _names(folder) for folder in {path.parent for path in paths}}
    if missing := [path for path in paths if path.name not in names[path.parent]]:
        raise DataError(
            f"{missing[0]}: no such {kind}, but {named_by.name} names it; {len(missing)} of "
            f"{len(paths)} are missing: copy the data set again"
        )


def _names(folder: Path) -> set[str]:
    try:
        return set(os.listdir(folder))
    except OSError:
        return set()


def list_folder(folder: Path) -> list[Path]:
    """What lies in `folder`, by name, without hidden files.

    Raises:
        DataError: it is missing, no folder, or cannot be read.
    """
    try:
        return sorted(path for path in folder.iterdir() if not path.name.startswith("."))
    except FileNotFoundError as error:
        raise DataError(f"{folder}: no such folder") from error
    except OSError as error:
        raise DataError(f"{folder}: cannot be read as a folder: {error.strerror}") from error


def pair(images: Path, masks: Path) -> tuple[Sample, ...]:
    """The samples of two folders whose files have the same stems, by name.

    Raises:
        DataError: a folder cannot be read, two images share a stem, or an image or a mask is
            alone; the message names the first and the count.
    """
    found = _by_stem(path for path in list_folder(images) if path.suffix.lower() in IMAGE_SUFFIXES)
    other = list_folder(masks)
    answers = _by_stem(path for path in other if path.suffix.lower() == ".png")
    if lonely := [path for stem, path in found.items() if stem not in answers]:
        wrong = next((path for path in other if path.stem == lonely[0].stem), None)
        hint = f" ({wrong.name} is no PNG file)" if wrong else ""
        raise DataError(
            f"{lonely[0]}: has no mask {masks / lonely[0].stem}.png{hint}; {len(lonely)} of "
            f"{len(found)} images have none: add the masks or remove the images"
        )
    if lonely := [path for stem, path in answers.items() if stem not in found]:
        raise DataError(
            f"{lonely[0]}: has no image in {images}; {len(lonely)} of {len(answers)} masks have "
            f"none: add the images ({', '.join(IMAGE_SUFFIXES)}) or remove the masks"
        )
    return tuple(Sample(path, answers[stem]) for stem, path in found.items())


def _by_stem(paths: Iterable[Path]) -> dict[str, Path]:
    found: dict[str, Path] = {}
    for path in paths:
        if path.stem in found:
            raise DataError(
                f"{path}: {found[path.stem].name} beside it has the same stem, so their masks "
                "would be one file: rename or remove one"
            )
        found[path.stem] = path
    return found
