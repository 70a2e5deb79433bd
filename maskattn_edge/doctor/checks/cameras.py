"""Cameras and their modes, through Video4Linux, and the way to a Jetson's CSI cameras."""

from __future__ import annotations

from maskattn_edge.doctor import machine
from maskattn_edge.doctor.finding import Finding, ok, warning
from maskattn_edge.doctor.system import Camera, Mode, System

_ARGUS_SOCKET = "/tmp/argus_socket"
_CSI_DRIVER = "tegra-video"


def check(name: str, system: System) -> Finding:
    """Each camera that gives pictures; a run of files needs none."""
    devices = {path: system.camera(path) for path in system.glob("/dev/video*")}
    cameras = {path: camera for path, camera in devices.items() if camera.capture}
    if not cameras:
        return _none(name, system, devices)
    csi = any(camera.driver == _CSI_DRIVER for camera in cameras.values())
    if csi and system.access(_ARGUS_SOCKET) is None:
        return warning(name, "a CSI camera, but its service is not here", mend=_argus(system))
    details = [line for path, camera in cameras.items() for line in _lines(path, camera)]
    return ok(name, f"{len(cameras)}: {', '.join(cameras)}", *details)


def _none(name: str, system: System, devices: dict[str, Camera]) -> Finding:
    failed = [f"{path}: {camera.error}" for path, camera in devices.items() if camera.error]
    if failed:
        mend = "maskattn-edge doctor  # again, once the permissions below are right"
        return warning(name, f"none can be opened ({'; '.join(failed)})", mend=mend)
    if machine.in_container(system):
        mend = "docker run --device /dev/video0 ...  # start this container with the camera"
    else:
        mend = "lsusb  # is it plugged in? `run --source FILE` needs none"
    return warning(name, "none", mend=mend)


def _argus(system: System) -> str:
    if machine.in_container(system):
        return f"docker run -v {_ARGUS_SOCKET}:{_ARGUS_SOCKET} ...  # start this container with it"
    return machine.as_root(system, "systemctl restart nvargus-daemon")


def _lines(path: str, camera: Camera) -> list[str]:
    """A camera's name, then a line for each of its formats."""
    how = ", read through csi://" if camera.driver == _CSI_DRIVER else ""
    lines = [f"{path}: {camera.card} ({camera.driver}{how})"]
    for pixels in dict.fromkeys(mode.format for mode in camera.modes):
        modes = [_text(mode) for mode in camera.modes if mode.format == pixels]
        lines.append(f"  {pixels}: {', '.join(modes)}")
    return lines


def _text(mode: Mode) -> str:
    rate = f" {mode.fps:g}/s" if mode.fps else ""
    return f"{mode.width}x{mode.height}{rate}"
