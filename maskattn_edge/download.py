"""Fetch one file over HTTP: resumable, and under its name only once its checksum is right.

The standard library does it: one GET with a range is all that is needed, and the well-known
helpers for data sets (pooch, torch.hub) start from the beginning after an interruption.
"""

from __future__ import annotations

import hashlib
import http.client
import io
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Literal

from maskattn_edge._version import __version__
from maskattn_edge.contract.errors import DataError
from maskattn_edge.disk import check_space, no_room

_BLOCK = 1 << 20
_TIMEOUT_S = 30.0
_RETRIES = 5
Progress = Callable[[int, int], None]
"""Told (bytes, bytes in all, 0 if unknown)."""


@dataclass(frozen=True, kw_only=True)
class Remote:
    """A file on a server; size in bytes and SHA-256 in hex where they are published.

    More than `most` bytes are refused, whatever the server says.
    """

    url: str
    size: int | None = None
    sha256: str | None = None
    most: int | None = None


def download(
    remote: Remote,
    target: Path,
    *,
    progress: Progress,
    sleep: Callable[[float], None] = time.sleep,
) -> str:
    """Fetch `remote` into `target`, going on where an earlier call stopped.

    What has come so far is kept in `target`.part, also when this call fails. A lost connection is
    taken up again five times in a row. A `target` that is there already is only verified.

    Returns:
        SHA-256 of the file, in hex.

    Raises:
        DataError: the server does not answer or refuses, the disk is full, or the file is too long
            or not the published one; then it is removed, so that the next call fetches it anew.
    """
    if target.exists():
        return _verified(remote, target, "remove it and run the same command again")
    part = target.with_name(target.name + ".part")
    target.parent.mkdir(parents=True, exist_ok=True)
    if remote.size is not None:
        check_space(target.parent, remote.size - _size(part), f"the rest of {target.name}")
    attempt = 0
    while True:
        before = _size(part)
        try:
            _fetch(remote, part, progress)
            break
        except _TooLongError:
            part.unlink(missing_ok=True)
            raise
        except (OSError, http.client.HTTPException) as error:
            attempt = 1 if _size(part) > before else attempt + 1
            if attempt > _RETRIES or not _may_pass(error):
                raise _stopped(remote, part, error) from error
            sleep(min(2.0**attempt, 30.0))
    try:
        digest = _verified(remote, part, "it was removed: run the same command again")
    except DataError:
        part.unlink()
        raise
    part.replace(target)
    return digest


class _TooLongError(DataError):
    """The server sends more than may be; what came is removed."""


class _DiskError(DataError):
    """The part could not be written; trying again would not help."""


def _stopped(remote: Remote, part: Path, error: Exception) -> DataError:
    """Why the download ended. What the server refuses, it would refuse again."""
    if not _may_pass(error):
        return DataError(f"{remote.url}: the server refuses ({_reason(error)}): check the address")
    return DataError(
        f"{remote.url}: the download stopped ({_reason(error)}); "
        f"{_size(part):,} bytes are kept: run the same command again to go on"
    )


def _fetch(remote: Remote, part: Path, progress: Progress) -> None:
    """One request; what comes is added to `part`."""
    have = _size(part)
    if remote.size is not None and have >= remote.size:
        if have == remote.size:
            return
        part.unlink()  # longer than the file: nothing that could be resumed
        have = 0
    request = urllib.request.Request(
        remote.url, headers={"User-Agent": f"maskattn-edge/{__version__}"}
    )
    if have:
        request.add_header("Range", f"bytes={have}-")
    try:
        answer = urllib.request.urlopen(request, timeout=_TIMEOUT_S)
    except urllib.error.HTTPError as error:
        if error.code == 416 and have:  # no bytes after `have`: complete, or another file now
            error.close()
            _keep_if_complete(error.headers.get("Content-Range", ""), have, part)
            return
        raise
    with answer:
        resumed = answer.status == 206 and _starts_at(answer.headers, have)
        have = have if resumed else 0
        total = have + int(answer.headers.get("Content-Length") or 0)
        _append(_bounded(answer, remote, total, have), part, have, total, progress)
        if total > have and _size(part) < total:
            raise http.client.IncompleteRead(b"", total - _size(part))


def _bounded(answer: IO[bytes], remote: Remote, total: int, have: int) -> Iterator[bytes]:
    """The answer block by block, as long as it keeps within the bound."""
    length = max(total, have)
    while True:
        if remote.most is not None and length > remote.most:
            raise _TooLongError(
                f"{remote.url}: more than the {remote.most:,} bytes that are possible"
            )
        if not (block := answer.read(_BLOCK)):
            return
        have += len(block)
        length = max(length, have)
        yield block


def _append(blocks: Iterator[bytes], part: Path, have: int, total: int, progress: Progress) -> None:
    with _opened(part, "r+b" if have else "wb") as file:
        file.seek(have)
        done = have
        for block in blocks:
            _write(file, block, part)
            done += len(block)
            progress(done, total)


def _write(file: io.FileIO, block: bytes, part: Path) -> None:
    rest = memoryview(block)
    try:
        while rest:
            rest = rest[file.write(rest) :]
    except OSError as error:
        raise _DiskError(str(no_room(part.parent, error))) from error


def _opened(part: Path, mode: Literal["r+b", "wb"]) -> io.FileIO:
    """Unbuffered: closing a buffer on a full disk would raise a second time."""
    try:
        return part.open(mode, buffering=0)
    except OSError as error:
        raise _DiskError(str(no_room(part.parent, error))) from error


def _keep_if_complete(content_range: str, have: int, part: Path) -> None:
    if content_range != f"bytes */{have}":
        part.unlink()
        raise http.client.IncompleteRead(b"")


def _starts_at(headers: http.client.HTTPMessage, have: int) -> bool:
    return headers.get("Content-Range", "").startswith(f"bytes {have}-")


def _verified(remote: Remote, path: Path, mend: str) -> str:
    size = _size(path)
    if remote.size is not None and size != remote.size:
        raise DataError(f"{path}: has {size:,} bytes, {remote.size:,} are expected: {mend}")
    digest = file_sha256(path)
    if remote.sha256 is not None and digest != remote.sha256:
        raise DataError(
            f"{path}: its SHA-256 is {digest}, {remote.sha256} is expected, so it is damaged or "
            f"another file: {mend}"
        )
    return digest


def file_sha256(path: Path) -> str:
    """SHA-256 of a file, in hex.

    Raises:
        DataError: it cannot be read.
    """
    digest = hashlib.sha256()
    try:
        with path.open("rb") as file:
            while block := file.read(_BLOCK):
                digest.update(block)
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror}") from error
    return digest.hexdigest()


def _may_pass(error: Exception) -> bool:
    """Whether trying again may help: not for a file that the server does not have."""
    if isinstance(error, urllib.error.HTTPError):
        return error.code in (408, 429) or error.code >= 500
    return True


def _reason(error: Exception) -> str:
    if isinstance(error, urllib.error.HTTPError):
        return f"HTTP {error.code} {error.reason}"
    if isinstance(error, urllib.error.URLError):
        return str(error.reason)
    return str(error) or type(error).__name__


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0
