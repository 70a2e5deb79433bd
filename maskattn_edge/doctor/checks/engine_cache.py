"""TensorRT engines that were built on this device."""

from __future__ import annotations

import shlex
from pathlib import PurePosixPath

from maskattn_edge.doctor import machine
from maskattn_edge.doctor.finding import Finding, ok, warning
from maskattn_edge.doctor.system import System
from maskattn_edge.engines.tensorrt.cache import CACHE_FOLDER
from maskattn_edge.engines.tensorrt.sidecar import Sidecar, decode_sidecar


def check(name: str, system: System) -> Finding:
    """How many, how large, and which of them can no longer be loaded."""
    folder = str(PurePosixPath(machine.python(system)["home"], CACHE_FOLDER))
    access = system.access(folder)
    if access is None:
        return ok(name, f"none built yet; they will lie in {folder}")
    if not (access.readable and access.writable):
        user = machine.python(system)["user"]
        mend = machine.as_root(system, f"chown -R {shlex.quote(user)} {shlex.quote(folder)}")
        return warning(name, f"{folder} cannot be read and written", mend=mend)
    entries = _entries(system, folder)
    stale = [path for path, sidecar in entries.items() if _is_stale(sidecar, system)]
    megabytes = sum(item.plan_bytes for item in entries.values() if item is not None) / 1e6
    text = f"{len(entries)} in {folder}, {megabytes:.1f} MB"
    if stale:
        mend = "rm " + " ".join(shlex.quote(path) for path in stale)
        text += f"; {len(stale)} of another TensorRT or driver, or damaged, will be built again"
        return warning(name, text, mend=mend)
    return ok(name, text)


def _entries(system: System, folder: str) -> dict[str, Sidecar | None]:
    """Sidecar of each engine; None where it cannot be read."""
    found: dict[str, Sidecar | None] = {}
    for path in system.glob(f"{folder}/*.json"):
        try:
            found[path] = decode_sidecar((system.read(path) or "").encode())
        except ValueError:
            found[path] = None
    return found


def _is_stale(sidecar: Sidecar | None, system: System) -> bool:
    if sidecar is None:
        return True
    installed = system.probe("tensorrt").facts.get("version")
    driver = (system.read("/sys/module/nvidia/version") or "").strip()
    built = sidecar.fingerprint
    return (installed is not None and built.tensorrt != installed) or (
        bool(driver) and built.driver != driver
    )
