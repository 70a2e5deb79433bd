"""Jetson Linux (L4T): releases that carry a Python and a TensorRT that we support."""

from __future__ import annotations

from maskattn_edge.doctor import machine
from maskattn_edge.doctor.finding import Finding, ok, warning
from maskattn_edge.doctor.system import System

JETPACK = {36: "JetPack 6", 38: "JetPack 7", 39: "JetPack 7"}


def check(name: str, system: System) -> Finding:
    """Board and release."""
    if not machine.is_jetson(system):
        return ok(name, "this is not a Jetson")
    board = system.read("/proc/device-tree/model") or "unknown board"
    release = machine.l4t(system)
    if release is None:
        return warning(
            name,
            f"{board}; its release of Jetson Linux is not seen in this container",
            mend="docker run --runtime nvidia "
            "-v /etc/nv_tegra_release:/etc/nv_tegra_release:ro ...",
        )
    jetpack = JETPACK.get(int(release.partition(".")[0]))
    if jetpack is None:
        return warning(
            name,
            f"{board}, L4T {release}: tested are releases 36, 38 and 39 (JetPack 6 and 7)",
            mend=machine.as_root(system, "apt install nvidia-jetpack"),
        )
    return ok(name, f"{board}, {jetpack}, L4T {release}")
