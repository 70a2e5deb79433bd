"""The model that runs where none is named."""

from __future__ import annotations

from maskattn_edge.doctor import machine
from maskattn_edge.doctor.finding import Finding, broken, ok
from maskattn_edge.doctor.system import System


def check(name: str, system: System) -> Finding:
    """It is there and can be read."""
    found = system.probe("model")
    if found.error:
        mend = machine.pip_install(system, "--force-reinstall", "--no-deps", "maskattn-edge")
        return broken(name, f"the shipped model cannot be read ({found.error})", mend=mend)
    return ok(name, f"default: {found.facts['name']}, {found.facts['precision']}")
