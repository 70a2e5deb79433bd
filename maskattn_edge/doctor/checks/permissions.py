"""Whether this user may use the cameras and the GPU."""

from __future__ import annotations

import shlex

from maskattn_edge.doctor import machine
from maskattn_edge.doctor.finding import Finding, broken, ok, warning
from maskattn_edge.doctor.system import System

CAMERAS = "/dev/video*"
GPU = ("/dev/nvidia[0-9]*", "/dev/nvidiactl", "/dev/nvmap", "/dev/nvhost-gpu", "/dev/nvhost-ctrl*")


def check(name: str, system: System) -> Finding:
    """Devices that are there but closed to us, and the group that opens them."""
    closed_cameras = _closed(system, CAMERAS)
    closed = closed_cameras | {
        path: group for pattern in GPU for path, group in _closed(system, pattern).items()
    }
    if not closed:
        devices = [path for pattern in (CAMERAS, *GPU) for path in system.glob(pattern)]
        text = f"all {len(devices)} cameras and GPU devices are open" if devices else "no devices"
        return ok(name, f"{text} to user {machine.python(system)['user']}")
    text = f"no permission for {', '.join(closed)}"
    mend = _join(system, sorted(set(closed.values())))
    # A camera that cannot be opened ends `run --camera`; without the GPU it takes the processor.
    return (broken if closed_cameras else warning)(name, text, mend=mend)


def _closed(system: System, pattern: str) -> dict[str, str]:
    """Device -> its group."""
    found = {path: system.access(path) for path in system.glob(pattern)}
    return {
        path: access.group
        for path, access in found.items()
        if access is not None and not (access.readable and access.writable)
    }


def _join(system: System, groups: list[str]) -> str:
    if machine.in_container(system):
        flags = " ".join(f"--group-add {group}" for group in groups)
        return f"docker run {flags} ...  # start this container so"
    user = shlex.quote(str(machine.python(system)["user"]))
    command = machine.as_root(system, f"usermod -aG {','.join(groups)} {user}")
    return f"{command}  # then log in again"
