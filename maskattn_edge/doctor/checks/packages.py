"""The small packages of the base install."""

from __future__ import annotations

from maskattn_edge.doctor import machine
from maskattn_edge.doctor.finding import Finding, broken, ok
from maskattn_edge.doctor.system import System


def check(name: str, system: System) -> Finding:
    """They load, in these versions."""
    found = system.probe("packages")
    if found.error:
        mend = machine.pip_install(system, "--force-reinstall", "maskattn-edge")
        return broken(name, f"one does not load ({found.error})", mend=mend)
    return ok(name, ", ".join(f"{package} {version}" for package, version in found.facts.items()))
