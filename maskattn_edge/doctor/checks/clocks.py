"""Clocks: `jetson_clocks` holds them at the top, so that frames take the same time."""

from __future__ import annotations

from maskattn_edge.doctor import machine
from maskattn_edge.doctor.finding import Finding, ok, warning
from maskattn_edge.doctor.system import System

_CPU = "/sys/devices/system/cpu/cpu[0-9]*/cpufreq"
_GPU = "/sys/class/devfreq/*gpu*"


def check(name: str, system: System) -> Finding:
    """Whether clocks rise and fall; on a PC only the governor is told."""
    cpus = system.glob(_CPU)
    if not machine.is_jetson(system):
        governor = (system.read(f"{cpus[0]}/scaling_governor") or "").strip() if cpus else ""
        return ok(name, f"governor {governor}" if governor else "not told by this machine")
    ranges = {
        "CPU": [_range(system, cpu, "scaling_min_freq", "scaling_max_freq") for cpu in cpus],
        "GPU": [_range(system, gpu, "min_freq", "max_freq") for gpu in system.glob(_GPU)],
    }
    moving = [
        what for what, found in ranges.items() if any(pair and pair[0] < pair[1] for pair in found)
    ]
    if moving:
        mend = machine.as_root(system, "jetson_clocks")
        text = f"{' and '.join(moving)} clocks rise and fall with the load: times vary"
        return warning(name, text, mend=mend)
    known = any(pair for found in ranges.values() for pair in found)
    return ok(name, "held at the top" if known else "not told by this machine")


def _range(system: System, folder: str, low: str, high: str) -> tuple[int, int] | None:
    try:
        return (
            int(system.read(f"{folder}/{low}") or ""),
            int(system.read(f"{folder}/{high}") or ""),
        )
    except ValueError:
        return None
