"""What the kernel tells of the machine's state at one moment; every reader takes `/` as a path."""

from __future__ import annotations

import os
import resource
import time
from dataclasses import dataclass
from pathlib import Path

ROOT = Path("/")


@dataclass(frozen=True, kw_only=True)
class MachineState:
    """Counters and gauges at one moment; None or empty where the machine does not tell.

    Args:
        at: seconds of the monotonic clock.
        busy_s: CPU seconds that all processes of the machine have used, over all cores.
        steal_s: CPU seconds that a hypervisor gave to others.
        own_s: CPU seconds of this process.
        throttled: times that heat or power slowed a core.
        quota_throttled: times that a container's quota stopped this process.
        load: mean number of runnable threads of the last minute.
        frequency_mhz: of each core.
        temperature_c: of each sensor, by its name.
    """

    at: float
    busy_s: float | None = None
    steal_s: float | None = None
    own_s: float = 0.0
    throttled: int | None = None
    quota_throttled: int | None = None
    load: float | None = None
    frequency_mhz: tuple[float, ...] = ()
    temperature_c: dict[str, float] | None = None

    def described(self) -> dict[str, str]:
        """The gauges, for people."""
        said = {}
        if self.load is not None:
            said["load"] = f"{self.load:.2f}"
        if self.frequency_mhz:
            low, high = min(self.frequency_mhz), max(self.frequency_mhz)
            said["core clocks"] = f"{low:.0f} to {high:.0f} MHz"
        for name, degrees in (self.temperature_c or {}).items():
            said[f"temperature {name}"] = f"{degrees:.0f} °C"
        return said


def machine_state(root: Path = ROOT) -> MachineState:
    """The state now."""
    busy, steal = _cpu_seconds(root)
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return MachineState(
        at=time.monotonic(),
        busy_s=busy,
        steal_s=steal,
        own_s=usage.ru_utime + usage.ru_stime,
        throttled=_throttled(root),
        quota_throttled=_quota(root),
        load=_load(root),
        frequency_mhz=_frequencies(root),
        temperature_c=_temperatures(root),
    )


def text_of(path: Path) -> str | None:
    """A kernel file without its newline; None where it is missing or may not be read."""
    try:
        return path.read_text(errors="replace").strip("\0\n ")
    except OSError:
        return None


def _cpu_seconds(root: Path) -> tuple[float | None, float | None]:
    """Busy and stolen seconds of all cores: fields of `cpu` in proc(5)."""
    line = (text_of(root / "proc/stat") or "").partition("\n")[0].split()
    if len(line) < 9 or line[0] != "cpu":
        return None, None
    user, nice, system, _, _, irq, softirq, steal = (int(field) for field in line[1:9])
    ticks = os.sysconf("SC_CLK_TCK")
    return (user + nice + system + irq + softirq) / ticks, steal / ticks


def _load(root: Path) -> float | None:
    text = text_of(root / "proc/loadavg")
    return float(text.split()[0]) if text else None


def _throttled(root: Path) -> int | None:
    counters = (root / "sys/devices/system/cpu").glob("cpu[0-9]*/thermal_throttle/*_throttle_count")
    values = [int(text) for text in map(text_of, counters) if text is not None and text.isdecimal()]
    return sum(values) if values else None


def _quota(root: Path) -> int | None:
    """Of cgroup v2, see docs.kernel.org/admin-guide/cgroup-v2.html."""
    for line in (text_of(root / "sys/fs/cgroup/cpu.stat") or "").splitlines():
        name, _, value = line.partition(" ")
        if name == "nr_throttled":
            return int(value)
    return None


def _frequencies(root: Path) -> tuple[float, ...]:
    files = (root / "sys/devices/system/cpu").glob("cpu[0-9]*/cpufreq/scaling_cur_freq")
    texts = [text for text in map(text_of, sorted(files)) if text is not None]
    return tuple(int(text) / 1e3 for text in texts if text.isdecimal())


def _temperatures(root: Path) -> dict[str, float]:
    found = {}
    for zone in sorted((root / "sys/class/thermal").glob("thermal_zone[0-9]*")):
        name, value = text_of(zone / "type"), text_of(zone / "temp")
        if name and value and value.lstrip("-").isdecimal():
            found[name] = int(value) / 1e3
    return dict(list(found.items())[:32])
