"""What the system knows of its cameras, without starting them."""

from __future__ import annotations

import fcntl
import glob
import os
from pathlib import Path

from maskattn_edge.contract.errors import SourceError

# linux/videodev2.h: _IOR('V', 0, struct v4l2_capability), whose 104 bytes end in
# device_caps and 3 reserved words; V4L2_CAP_VIDEO_CAPTURE and ..._MPLANE.
_QUERYCAP = 0x80685600
_CAPABILITY_BYTES, _DEVICE_CAPS_AT = 104, 88
_CAPTURES = 0x1 | 0x1000

_NAMES = Path("/sys/class/video4linux")


def cameras() -> list[str]:
    """The Video4Linux devices of this machine, with their names; some cameras have several."""
    devices = sorted(glob.glob("/dev/video*"), key=lambda name: (len(name), name))
    return [f"{device} ({name})" if (name := _name(device)) else device for device in devices]


def present() -> str:
    """Which cameras there are, for the end of a message."""
    found = cameras()
    return f"present: {', '.join(found)}" if found else "this machine has no camera (/dev/video*)"


def check_device(device: Path) -> None:
    """Return if `device` is a camera that we may open.

    Raises:
        SourceError: it is missing, forbidden, or no camera.
    """
    if not device.exists():
        raise SourceError(f"{device}: no such camera; {present()}")
    if not os.access(device, os.R_OK | os.W_OK):
        raise SourceError(
            f"{device}: no permission; add yourself to the group video "
            "(`sudo usermod -aG video $USER`) and log in again"
        )
    try:
        handle = os.open(device, os.O_RDWR | os.O_NONBLOCK)
    except OSError as error:
        raise cannot_open(device, error.strerror or str(error)) from error
    try:
        answer = fcntl.ioctl(handle, _QUERYCAP, bytes(_CAPABILITY_BYTES))
        capabilities = int.from_bytes(answer[_DEVICE_CAPS_AT : _DEVICE_CAPS_AT + 4], "little")
    except OSError:
        capabilities = 0
    finally:
        os.close(handle)
    if not capabilities & _CAPTURES:
        raise SourceError(f"{device}: not a camera that gives pictures; {present()}")


def cannot_open(device: Path, reason: str = "") -> SourceError:
    """The error of a camera that does not start; names who else has it open."""
    users = _users(device)
    if users:
        return SourceError(
            f"{device}: in use by {', '.join(users)}: stop that first, or choose another camera; "
            f"{present()}"
        )
    why = f" ({reason})" if reason else ""
    return SourceError(
        f"{device}: cannot be started{why}: another program may use it (`sudo fuser -v {device}`), "
        "or it is unplugged"
    )


def _name(device: str) -> str:
    try:
        return (_NAMES / Path(device).name / "name").read_text().strip()
    except OSError:
        return ""


def _users(device: Path) -> list[str]:
    """Other processes that have the device open, as far as we may see them."""
    found = []
    try:
        target = device.resolve()
        for handle in glob.iglob("/proc/[0-9]*/fd/*"):
            process = Path(handle).parents[1]
            if process.name != str(os.getpid()) and _links_to(handle, target):
                found.append(f"{(process / 'comm').read_text().strip()} (process {process.name})")
    except OSError:  # a process that ended meanwhile
        pass
    return found


def _links_to(handle: str, target: Path) -> bool:
    try:
        return os.readlink(handle) == str(target)
    except OSError:
        return False
