"""Files that are either the last good one or the complete new one, never half of it.

What is no file, such as /dev/stdout, /dev/null or a named pipe, is written into and never replaced:
a rename would put a file in the place of the device, for every program on the machine.
"""

from __future__ import annotations

import errno
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Yield a temporary path beside `path`; rename it over `path` if the block succeeds.

    The temporary file ends in the same suffix, so that writers which choose a format by
    suffix work. It is removed if the block raises, `KeyboardInterrupt` included.

    Raises:
        OSError: the folder cannot be made or written, or the disk is full.
    """
    if _is_stream(path):
        with _copied_into(path) as temporary:
            yield temporary
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(
        prefix=f".{path.stem}.", suffix=f".tmp{path.suffix}", dir=path.parent
    )
    os.close(handle)
    temporary = Path(name)
    try:
        yield temporary
        with temporary.open("rb+") as file:
            os.fsync(file.fileno())  # a rename may outlive a power cut that the data does not
        temporary.chmod(0o666 & ~_umask())
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def check_writable(path: Path) -> None:
    """Find out now whether `path` can be written later; makes its folder, leaves no file.

    Raises:
        OSError: it is a folder, or its folder cannot be made or written.
    """
    if path.is_dir():
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
    if _is_stream(path):
        if not os.access(path, os.W_OK):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile(prefix=f".{path.stem}.", dir=path.parent):
        pass


def write_bytes(path: Path, data: bytes) -> None:
    """Write `data` to `path` atomically. Raises OSError."""
    with replacing(path) as temporary:
        temporary.write_bytes(data)


def write_text(path: Path, text: str) -> None:
    """Write `text` as UTF-8 to `path` atomically. Raises OSError."""
    write_bytes(path, text.encode())


def _is_stream(path: Path) -> bool:
    if _descriptor(path) is not None:
        return True
    return path.exists() and not path.is_file() and not path.is_dir()


def _descriptor(path: Path) -> int | None:
    """The open file that /dev/stdout, /dev/fd/3 and their like name; None for other paths."""
    place = path.parent.resolve() / path.name
    if path.is_symlink() and not place.is_relative_to("/proc"):
        target = Path(os.readlink(path))
        place = target.parent.resolve() / target.name
    mine = place.parent == Path(f"/proc/{os.getpid()}/fd") and place.name.isdecimal()
    return int(place.name) if mine else None


@contextmanager
def _copied_into(stream: Path) -> Iterator[Path]:
    """Yield a temporary path elsewhere; its bytes go to `stream` if the block succeeds."""
    with tempfile.TemporaryDirectory() as folder:
        temporary = Path(folder) / f"whole{stream.suffix}"
        yield temporary
        number = _descriptor(stream)  # opened anew, a file would be written from its start
        opened = os.open(stream, os.O_WRONLY) if number is None else os.dup(number)
        with temporary.open("rb") as whole, os.fdopen(opened, "wb") as out:
            shutil.copyfileobj(whole, out)


def _umask() -> int:
    """The process's umask: mkstemp makes private files, a result should be as open as any other."""
    mask = os.umask(0)
    os.umask(mask)
    return mask
