"""Is there memory enough for a build? Asked before, because a Jetson kills who runs out."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from maskattn_edge.contract.errors import EngineError

BUILDER_MB = 1024
"""What the builder itself takes before any network: libraries, kernels, its CUDA context. An
estimate; the peak of each build is measured and stands in its sidecar."""

WEIGHT_COPIES = 6
"""Parsed, folded, in the formats that are tried, in the plan."""

_MB = 2**20


@dataclass(frozen=True, kw_only=True)
class BuildMemory:
    """Memory that a build finds, in MiB. `device_mb` is None where GPU and CPU share theirs."""

    host_mb: int
    device_mb: int | None = None


def host_memory_mb(meminfo: Path = Path("/proc/meminfo")) -> int:
    """Memory that new work can have without swapping, MiB; also what a Jetson's GPU can have."""
    for line in meminfo.read_text().splitlines():
        if line.startswith("MemAvailable:"):
            return int(line.split()[1]) // 1024
    raise EngineError(f"{meminfo} does not say how much memory is free")


def needed_mb(model_bytes: int, workspace_mb: int) -> int:
    """What a build of that model may take at its peak, MiB; an upper estimate."""
    return BUILDER_MB + workspace_mb + WEIGHT_COPIES * model_bytes // _MB


def check_memory(memory: BuildMemory, *, model_bytes: int, workspace_mb: int) -> None:
    """Refuse a build that would be killed.

    Raises:
        EngineError: the host or the GPU has too little free memory.
    """
    needed = needed_mb(model_bytes, workspace_mb)
    for where, free in (("", memory.host_mb), (" on the GPU", memory.device_mb)):
        if free is not None and free < needed:
            raise EngineError(
                f"a build needs about {needed:,} MB of memory{where}, {free:,} MB are free: close "
                "other programs" + _smaller(workspace_mb, needed - free)
            )


def _smaller(workspace_mb: int, missing: int) -> str:
    if workspace_mb - missing >= 16:
        return f", or give --workspace {workspace_mb - missing}"
    return ", or add swap"
