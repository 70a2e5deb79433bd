"""Unpack an archive: no member leaves the folder, no file is ever half there."""

from __future__ import annotations

import shutil
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path, PurePosixPath
from typing import IO

from maskattn_edge.contract.errors import DataError
from maskattn_edge.disk import check_space, no_room

Progress = Callable[[int, int], None]
"""Told (members, members in all)."""

_CLUTTER = ("__MACOSX", ".DS_Store")


@dataclass(frozen=True)
class _Member:
    path: Path
    size: int
    open: Callable[[], IO[bytes]]


def unpack(archive: Path, folder: Path, *, progress: Progress) -> None:
    """Unpack a .zip or .tar into `folder`, zips inside it too, all relative to `folder`.

    Each file appears under its name when it is whole, so a file that is there with its size is
    left alone and an interrupted call can be repeated. Zip members are compared with their CRC.

    Raises:
        DataError: the archive is damaged, a member would lie outside `folder` or is a link, or the
            disk is full.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with _opened(archive, folder) as members:
        missing = sum(member.size for member in members if not _is_there(member))
        check_space(folder, missing, f"the files of {archive.name}")
        for done, member in enumerate(members, start=1):
            if not _is_there(member):
                with _telling(archive, folder):
                    _write(member)
            if member.path.suffix == ".zip":
                unpack(member.path, folder, progress=progress)
                member.path.unlink()
            progress(done, len(members))


@contextmanager
def _opened(archive: Path, folder: Path) -> Iterator[list[_Member]]:
    """The members of an archive; they can be read within the block."""
    with ExitStack() as stack:
        with _telling(archive, folder):
            if zipfile.is_zipfile(archive):
                zipped = stack.enter_context(zipfile.ZipFile(archive))
                members = list(_zip_members(zipped, archive, folder))
            else:
                tar = stack.enter_context(tarfile.open(archive, "r:"))
                members = list(_tar_members(tar, archive, folder))
        yield members


def _zip_members(zipped: zipfile.ZipFile, archive: Path, folder: Path) -> Iterator[_Member]:
    for info in zipped.infolist():
        if info.external_attr >> 28 == 0xA:  # S_IFLNK of the Unix mode
            raise DataError(f"{archive}: {info.filename!r} is a link, which is never unpacked")
        path = _safe(info.filename, archive, folder)
        if path is not None and not info.is_dir():
            yield _Member(path, info.file_size, partial(zipped.open, info))


def _tar_members(tar: tarfile.TarFile, archive: Path, folder: Path) -> Iterator[_Member]:
    for info in tar:
        path = _safe(info.name, archive, folder)
        if path is None or info.isdir():
            continue
        if not info.isfile():
            raise DataError(
                f"{archive}: {info.name!r} is a link or device, which is never unpacked"
            )
        yield _Member(path, info.size, partial(_tar_file, tar, info))


def _tar_file(tar: tarfile.TarFile, info: tarfile.TarInfo) -> IO[bytes]:
    file = tar.extractfile(info)
    assert file is not None  # a regular file
    return file


def _safe(name: str, archive: Path, folder: Path) -> Path | None:
    """Where a member goes; None for what file managers leave behind."""
    parts = PurePosixPath(name.replace("\\", "/")).parts
    if not parts or ".." in parts or parts[0].startswith("/") or ":" in parts[0] or "\0" in name:
        raise DataError(
            f"{archive}: {name!r} would be written outside the folder; do not use this archive"
        )
    if any(part in _CLUTTER for part in parts):
        return None
    return folder.joinpath(*parts)


def _is_there(member: _Member) -> bool:
    return member.path.is_file() and member.path.stat().st_size == member.size


def _write(member: _Member) -> None:
    member.path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = member.path.with_name(f".{member.path.name}.tmp")
    try:
        with member.open() as source, unfinished.open("wb") as target:
            shutil.copyfileobj(source, target, 1 << 20)
        if unfinished.stat().st_size != member.size:
            raise EOFError("a member is cut short")
        unfinished.replace(member.path)
    except BaseException:
        unfinished.unlink(missing_ok=True)
        raise


@contextmanager
def _telling(archive: Path, folder: Path) -> Iterator[None]:
    try:
        yield
    except (zipfile.BadZipFile, tarfile.TarError, zlib.error, EOFError, RuntimeError) as error:
        raise DataError(
            f"{archive}: a damaged archive ({error}): remove it and run the same command again"
        ) from error
    except OSError as error:
        raise no_room(folder, error) from error
