"""Fetch a model whose SHA-256 is known, check that it is one, and keep it under its name."""

from __future__ import annotations

import re
import shutil
import urllib.parse
from collections.abc import Callable
from pathlib import Path

from maskattn_edge.contract.atomic import replacing
from maskattn_edge.contract.errors import DataError, UsageError
from maskattn_edge.contract.model_file import MAX_FILE_BYTES, read_model_file
from maskattn_edge.download import Remote, download, file_sha256
from maskattn_edge.models import is_model_name, shipped_models, user_folder

Progress = Callable[[int, int], None]


def get_model(
    source: str,
    *,
    sha256: str,
    out: Path | None = None,
    folder: Path | None = None,
    progress: Progress = lambda done, total: None,
) -> Path:
    """Bring a model file to `out`, or into the folder from which it runs by its name.

    Nothing stands under the final name before its checksum is right and it reads as a model. An
    interrupted download goes on when it is asked for again.

    Args:
        source: an http(s) URL or a file.
        sha256: of the file, 64 hexadecimal digits, from whoever published it.
        out: where to put it, instead of `folder`.
        folder: of models; the user's if None.
        progress: told (bytes, bytes in all, 0 if unknown).

    Returns:
        The file.

    Raises:
        UsageError: no checksum, no URL, or a name that a model cannot have.
        DataError: it cannot be fetched or written, or is another file than the pinned one.
        ModelFileError: it is no model file.
    """
    digest = _checked_digest(sha256)
    target = out or (user_folder() if folder is None else folder) / _file_name(source)
    if target.exists():
        return _same(target, digest)
    staged = target.with_name(f".{target.stem}.{digest[:16]}.onnx")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        if _is_url(source):
            remote = Remote(url=source, sha256=digest, most=MAX_FILE_BYTES)
            download(remote, staged, progress=progress)
        else:
            _copy(Path(source.removeprefix("file://")), staged, digest)
        read_model_file(staged)
        staged.replace(target)
    except OSError as error:
        raise DataError(f"{target}: cannot be written: {error.strerror or error}") from error
    finally:
        staged.unlink(missing_ok=True)
    return target


def _checked_digest(sha256: str) -> str:
    digest = sha256.strip().lower().removeprefix("sha256:")
    if not re.fullmatch("[0-9a-f]{64}", digest):
        raise UsageError(f"a SHA-256 has 64 hexadecimal digits, got {sha256!r}")
    return digest


def _is_url(source: str) -> bool:
    scheme = urllib.parse.urlsplit(source).scheme.lower()
    if scheme not in ("", "file", "http", "https"):
        raise UsageError(f"{source}: models are fetched by http, https or from a file")
    return scheme in ("http", "https")


def _file_name(source: str) -> str:
    """The last part of the path; it becomes the model's name."""
    name = urllib.parse.unquote(urllib.parse.urlsplit(source).path).rpartition("/")[2]
    stem = name.removesuffix(".onnx")
    if stem == name or not is_model_name(stem):
        raise UsageError(
            f"{source}: it does not end in the name of a model file such as floor-s.onnx: "
            "give one with --out"
        )
    if stem in shipped_models():
        raise UsageError(f"{stem} is the name of a shipped model: give another one with --out")
    return name


def _same(target: Path, digest: str) -> Path:
    if file_sha256(target) != digest:
        raise DataError(
            f"{target}: is there already, with another SHA-256: remove it, or give --out"
        )
    read_model_file(target)
    return target


def _copy(source: Path, staged: Path, digest: str) -> None:
    if not source.is_file():
        raise DataError(f"{source}: no such file; a URL begins with https:// or http://")
    if source.stat().st_size > MAX_FILE_BYTES:
        raise DataError(f"{source}: more than the {MAX_FILE_BYTES:,} bytes that are possible")
    with replacing(staged) as temporary:
        shutil.copyfile(source, temporary)
        found = file_sha256(temporary)  # of the copy: the original may change meanwhile
        if found != digest:
            raise DataError(f"{source}: its SHA-256 is {found}, {digest} is expected")
