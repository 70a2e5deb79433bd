"""Memory of this process, as Linux counts it."""

from __future__ import annotations

import math
from pathlib import Path


def resident_memory_mb(status: Path = Path("/proc/self/status")) -> tuple[float, float]:
    """Resident memory now and at its peak (VmRSS, VmHWM), in MiB; NaN where it is not told."""
    try:
        lines = status.read_text().splitlines()
    except OSError:
        return math.nan, math.nan
    fields = {key: value.split() for key, _, value in (line.partition(":") for line in lines)}

    def mebibytes(key: str) -> float:
        return int(fields[key][0]) / 1024 if fields.get(key) else math.nan

    return mebibytes("VmRSS"), mebibytes("VmHWM")
