"""Free memory, of the machine or of the container."""

from __future__ import annotations

from maskattn_edge.doctor import machine
from maskattn_edge.doctor.finding import Finding, broken, ok, warning
from maskattn_edge.doctor.system import System
from maskattn_edge.engines.tensorrt.preflight import needed_mb

RUN_MB = 200
"""A run took 138 to 183 MB where it was measured (README)."""

_BUILD_MB = needed_mb(5_000_000, 256)
_MB = 2**20


def check(name: str, system: System) -> Finding:
    """Enough for a run; on a GPU also for building an engine."""
    free = _free_mb(system)
    if free is None:
        return ok(name, "not told by this machine")
    text = f"{free:,} MiB are free"
    if free < RUN_MB:
        return broken(name, f"{text}: a run needs about {RUN_MB}", mend=_mend(system))
    if free < _BUILD_MB and machine.has_nvidia_gpu(system):
        text += f": building an engine takes up to {_BUILD_MB:,}"
        return warning(name, text, mend=_mend(system))
    return ok(name, text)


def _free_mb(system: System) -> int | None:
    """What the machine can give, and the container may take."""
    bounds = []
    for line in (system.read("/proc/meminfo") or "").splitlines():
        if line.startswith("MemAvailable:"):
            bounds.append(int(line.split()[1]) // 1024)
    try:
        most = int(system.read("/sys/fs/cgroup/memory.max") or "")
        used = int(system.read("/sys/fs/cgroup/memory.current") or "0")
        bounds.append((most - used) // _MB)
    except ValueError:  # "max": no limit
        pass
    return min(bounds, default=None)


def _mend(system: System) -> str:
    if machine.in_container(system):
        return "docker update --memory 2g --memory-swap 2g CONTAINER"
    if machine.is_jetson(system):
        command = machine.as_root(system, "systemctl isolate multi-user.target")
        return f"{command}  # ends the desktop until the next start"
    return "ps aux --sort=-rss | head  # shows which programs take it"
