"""Which kinds of sources there are, and which one a URI means."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

from maskattn_edge.contract.errors import SourceError, UsageError
from maskattn_edge.sources.address import without_secrets
from maskattn_edge.sources.camera import open_camera
from maskattn_edge.sources.csi import open_csi
from maskattn_edge.sources.images import SUFFIXES, open_folder, open_glob, open_image
from maskattn_edge.sources.mjpeg import open_mjpeg
from maskattn_edge.sources.rtsp import open_rtsp
from maskattn_edge.sources.source import Source
from maskattn_edge.sources.synthetic import open_synthetic
from maskattn_edge.sources.video import VideoSource

SCHEMES: dict[str, Callable[[str], Source]] = {
    "v4l2": open_camera,
    "csi": open_csi,
    "rtsp": open_rtsp,
    "http": open_mjpeg,
    "https": open_mjpeg,
    "synthetic": open_synthetic,
    "file": lambda uri: open_path(uri.removeprefix("file://")),
}
"""Scheme of a URI -> the function that opens it."""

KINDS = (
    "a camera (0, /dev/video0, v4l2:///dev/video0, csi://0, "
    "rtsp://..., http://...mjpeg), a video, a picture, a folder of pictures, "
    "a glob ('shots/*.png'), synthetic://"
)
"""What `open_source` takes, for people."""

_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://")
_DEVICE = re.compile(r"\d+|/dev/(video\d+|v4l/.+)")


def open_source(uri: str) -> Source:
    """Open a camera, file or folder.

    Args:
        uri: `0`, `/dev/video0`, `v4l2:///dev/video0`, a video, an image, a folder, a glob,
            `file:///path`, `csi://0`, `rtsp://`, `http://` with Motion JPEG, or `synthetic://`;
            docs/sources.md has their options.

    Raises:
        UsageError: the URI has a scheme that is not known, or is empty.
        SourceError: what it names is missing or cannot be read.
    """
    scheme = _SCHEME.match(uri)
    if scheme:
        name = scheme[1].lower()
        if name not in SCHEMES:
            raise UsageError(
                f"{without_secrets(uri)}: {name}:// is no known kind of source; available: {KINDS}"
            )
        return SCHEMES[name](uri)
    if _DEVICE.fullmatch(uri):
        return open_camera(uri)
    return open_path(uri)


def open_path(text: str) -> Source:
    """Open a video, a picture, a folder of pictures, or the pictures of a glob.

    Raises:
        UsageError: `text` is empty.
        SourceError: nothing is there, or it cannot be read.
    """
    if not text:
        raise UsageError(f"the source is empty; available: {KINDS}")
    path = Path(text)
    if path.is_dir():
        return open_folder(path)
    if path.exists():
        return open_image(path) if path.suffix.lower() in SUFFIXES else VideoSource(path)
    if re.search(r"[*?\[]", text):
        return open_glob(text)
    raise SourceError(f"{text}: no such file or folder; a source is {KINDS}")
