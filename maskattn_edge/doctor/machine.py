"""What several checks want to know, and how commands are written for this machine."""

from __future__ import annotations

import re
import shlex
from typing import Any

from maskattn_edge.doctor.system import System

_NVIDIA = "0x10de"
_DISPLAY = "0x03"


def python(system: System) -> dict[str, Any]:
    """Facts of the Python that runs us, and of its user."""
    return system.probe("python").facts


def l4t(system: System) -> str | None:
    """Release of Jetson Linux as in "36.4.3"; None where there is none."""
    text = system.read("/etc/nv_tegra_release") or ""
    found = re.search(r"R(\d+) \(release\), REVISION: ([\d.]+)", text)
    return f"{found[1]}.{found[2]}" if found else None


def is_jetson(system: System) -> bool:
    """Also in a container, where Jetson Linux itself is not seen."""
    board = system.read("/proc/device-tree/model") or ""
    return l4t(system) is not None or "Jetson" in board


def in_container(system: System) -> bool:
    """Docker and Podman leave a file; systemd's containers name themselves."""
    marks = ("/.dockerenv", "/run/.containerenv", "/run/systemd/container")
    return any(system.access(mark) is not None for mark in marks)


def has_nvidia_gpu(system: System) -> bool:
    """Whether the hardware is there, with or without a driver."""
    if is_jetson(system) or system.probe("gpu").facts.get("devices"):
        return True
    for vendor in system.glob("/sys/bus/pci/devices/*/vendor"):
        if (system.read(vendor) or "").strip() == _NVIDIA:
            kind = system.read(vendor.removesuffix("vendor") + "class") or ""
            if kind.startswith(_DISPLAY):
                return True
    return False


def has_csi_camera(system: System) -> bool:
    """Whether a Jetson has a camera on a ribbon cable; its name can be read without permission."""
    names = system.glob("/sys/class/video4linux/*/name")
    return any((system.read(name) or "").startswith("vi-output") for name in names)


def cuda_major(system: System) -> int | None:
    """First number of the newest CUDA that the driver takes; None without a driver."""
    version = str(system.probe("gpu").facts.get("cuda", ""))
    return int(version.partition(".")[0]) if version else None


def pip_install(system: System, *what: str) -> str:
    """The command that installs packages for the very Python that runs us."""
    program = shlex.quote(str(python(system).get("executable", "python3")))
    return " ".join([program, "-m pip install", *(shlex.quote(word) for word in what)])


def as_root(system: System, command: str) -> str:
    """The command, with sudo where it is needed."""
    return command if python(system).get("uid") == 0 else f"sudo {command}"


def missing(error: str) -> bool:
    """Whether a probe's error means "not installed", not "installed and broken"."""
    return error.startswith("ModuleNotFoundError")
