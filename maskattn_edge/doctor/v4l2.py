"""What a Video4Linux device says of itself: four ioctls, no package.

Source: kernel.org, The Linux Kernel, userspace API, Video for Linux (videodev2.h)
"""

from __future__ import annotations

import fcntl
import os
import struct
from collections.abc import Callable, Iterator

from maskattn_edge.doctor.system import Camera, Mode

_QUERYCAP = 0x80685600
_ENUM_FMT = 0xC0405602
_ENUM_FRAMESIZES = 0xC02C564A
_ENUM_FRAMEINTERVALS = 0xC034564B
_CAPTURE, _CAPTURE_MPLANE, _DEVICE_CAPS = 0x1, 0x1000, 0x80000000
_TYPE_CAPTURE, _TYPE_CAPTURE_MPLANE = 1, 9
_DISCRETE = 1
_MOST = 256
"""Of formats, sizes or rates: a broken driver must not keep us for ever."""

Ioctl = Callable[[int, int, bytearray], object]


def describe_camera(path: str, ioctl: Ioctl = fcntl.ioctl) -> Camera:
    """Name, driver and modes of a device; `error` where it cannot be opened or asked."""
    try:
        handle = os.open(path, os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        return Camera(card="", driver="", capture=False, error=error.strerror or str(error))
    try:
        return _described(handle, ioctl)
    except OSError as error:
        return Camera(card="", driver="", capture=False, error=error.strerror or str(error))
    finally:
        os.close(handle)


def _described(handle: int, ioctl: Ioctl) -> Camera:
    answer = bytearray(104)
    ioctl(handle, _QUERYCAP, answer)
    driver, card, _bus, _version, all_caps, own_caps = struct.unpack_from("16s32s32s3I", answer)
    caps = own_caps if all_caps & _DEVICE_CAPS else all_caps
    kind = _TYPE_CAPTURE if caps & _CAPTURE else _TYPE_CAPTURE_MPLANE
    capture = bool(caps & (_CAPTURE | _CAPTURE_MPLANE))
    modes = tuple(_modes(handle, kind, ioctl)) if capture else ()
    return Camera(
        card=_text(card), driver=_text(driver), capture=capture and bool(modes), modes=modes
    )


def _modes(handle: int, kind: int, ioctl: Ioctl) -> Iterator[Mode]:
    for format_answer in _enumerated(handle, _ENUM_FMT, 64, (kind,), ioctl):
        (pixels,) = struct.unpack_from("I", format_answer, 44)
        name = struct.pack("I", pixels).decode("ascii", "replace").strip()
        for size in _enumerated(handle, _ENUM_FRAMESIZES, 44, (pixels,), ioctl):
            (size_kind,) = struct.unpack_from("I", size, 8)
            if size_kind == _DISCRETE:
                width, height = struct.unpack_from("2I", size, 12)
            else:  # any size within bounds: the largest stands for all
                _, width, _, _, height, _ = struct.unpack_from("6I", size, 12)
            yield Mode(name, width, height, _fastest(handle, (pixels, width, height), ioctl))
            if size_kind != _DISCRETE:
                break


def _fastest(handle: int, mode: tuple[int, int, int], ioctl: Ioctl) -> float:
    """Most frames per second of a mode; 0 where the driver does not say."""
    best = 0.0
    for answer in _enumerated(handle, _ENUM_FRAMEINTERVALS, 52, mode, ioctl):
        # A discrete interval, or the shortest one of a range, stands first in the union.
        numerator, denominator = struct.unpack_from("2I", answer, 20)
        best = max(best, denominator / numerator if numerator else 0.0)
    return best


def _enumerated(
    handle: int, request: int, size: int, fields: tuple[int, ...], ioctl: Ioctl
) -> Iterator[bytearray]:
    """Answers to one question with a rising index, until the driver has no more."""
    for index in range(_MOST):
        answer = bytearray(size)
        struct.pack_into(f"{1 + len(fields)}I", answer, 0, index, *fields)
        try:
            ioctl(handle, request, answer)
        except OSError:
            return
        yield answer


def _text(field: bytes) -> str:
    return field.split(b"\0", 1)[0].decode("utf-8", "replace")
