"""NVIDIA's driver, where there is a GPU of NVIDIA."""

from __future__ import annotations

from maskattn_edge.doctor import machine
from maskattn_edge.doctor.finding import Finding, ok, warning
from maskattn_edge.doctor.system import Probe, System

_MISMATCH = {803, 804}


def check(name: str, system: System) -> Finding:
    """Its version, or what keeps it from working."""
    if not machine.has_nvidia_gpu(system):
        return ok(name, "no NVIDIA GPU: models run on the processor")
    found = system.probe("gpu")
    if found.error:
        text = "there is an NVIDIA GPU, but no driver's library libcuda.so.1"
        return warning(name, text, mend=_install(system))
    version = (system.read("/sys/module/nvidia/version") or "version unknown").strip()
    if found.facts["code"] != 0:
        text = f"{version}, but it cannot be used: CUDA error {found.facts['code']}"
        return warning(name, text, mend=_revive(system, found))
    return ok(name, f"{version}, takes CUDA up to {found.facts['cuda']}")


def _install(system: System) -> str:
    if machine.in_container(system):
        flag = "--runtime nvidia" if machine.is_jetson(system) else "--gpus all"
        return f"docker run {flag} ...  # start this container with NVIDIA's runtime"
    if machine.is_jetson(system):
        return machine.as_root(system, "apt install --reinstall nvidia-l4t-cuda")
    if "ID=ubuntu" in (system.read("/etc/os-release") or ""):
        return machine.as_root(system, "ubuntu-drivers install")
    return machine.as_root(system, "apt install nvidia-driver")


def _revive(system: System, found: Probe) -> str:
    if machine.in_container(system):
        return _install(system)
    if found.facts["code"] in _MISMATCH:  # library and kernel module of different versions
        return machine.as_root(system, "reboot")
    return machine.as_root(system, "modprobe nvidia")
