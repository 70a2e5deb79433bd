"""What a result depends on: the machine and its settings, as facts for the report."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import sys
from pathlib import Path
from typing import Any

from maskattn_benchmarks.machine import ROOT, text_of
from maskattn_benchmarks.nvml import gpu_facts

PACKAGES = ("numpy", "opencv-python-headless", "onnxruntime", "openvino", "tensorrt")


def machine_facts(
    nvml: Any = None,  # noqa: ANN401 - pynvml has no types
    root: Path = ROOT,
) -> dict[str, str]:
    """Facts by name, in the order in which they are shown; "unknown" where nothing tells.

    Args:
        nvml: the initialised module pynvml, or None.
        root: where the kernel's files are.
    """
    cpu = root / "sys/devices/system/cpu"
    facts = {
        "machine": _machine(root),
        "CPU": _cpu_model(root),
        "cores": str(os.cpu_count()),
        "cores this process may use": str(len(os.sched_getaffinity(0))),
        "memory": _memory(root),
        "CPU governor": text_of(cpu / "cpu0/cpufreq/scaling_governor") or "unknown",
        "CPU turbo": _turbo(cpu),
        "power mode": _power_mode(root),
        "GPU": "none found",
        "system": f"{platform.system()} {platform.release()}, {platform.machine()}",
        "Python": sys.version.split()[0],
    }
    if nvml is not None:
        facts |= gpu_facts(nvml)
    for package in PACKAGES:
        try:
            facts[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            continue
    return {name: value[:4000] for name, value in facts.items()}


def _machine(root: Path) -> str:
    """The board's name: of the device tree on ARM, of the firmware on x86."""
    tree = text_of(root / "proc/device-tree/model")
    if tree:
        return tree
    parts = [text_of(root / "sys/class/dmi/id" / name) for name in ("sys_vendor", "product_name")]
    return " ".join(part for part in parts if part) or "unknown"


def _cpu_model(root: Path) -> str:
    for line in (text_of(root / "proc/cpuinfo") or "").splitlines():
        name, _, value = line.partition(":")
        if name.strip() == "model name":
            return value.strip()
    return platform.processor() or platform.machine() or "unknown"


def _memory(root: Path) -> str:
    for line in (text_of(root / "proc/meminfo") or "").splitlines():
        if line.startswith("MemTotal:"):
            return f"{int(line.split()[1]) / 2**20:.1f} GiB"
    return "unknown"


def _turbo(cpu: Path) -> str:
    no_turbo = text_of(cpu / "intel_pstate/no_turbo")
    boost = text_of(cpu / "cpufreq/boost")
    if no_turbo is None and boost is None:
        return "unknown"
    return "off" if no_turbo == "1" or boost == "0" else "on"


def _power_mode(root: Path) -> str:
    """Of a Jetson, as nvpmodel keeps it; of other machines, the platform's profile."""
    jetson = text_of(root / "var/lib/nvpmodel/status")
    profile = text_of(root / "sys/firmware/acpi/platform_profile")
    return jetson or profile or "unknown"
