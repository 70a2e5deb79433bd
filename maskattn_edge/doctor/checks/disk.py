"""Free room where engines and models are kept."""

from __future__ import annotations

from maskattn_edge.doctor import machine
from maskattn_edge.doctor.finding import Finding, ok, warning
from maskattn_edge.doctor.system import System

LOW_BYTES = 10**9


def check(name: str, system: System) -> Finding:
    """Of the home folder and the folder we are in."""
    facts = machine.python(system)
    free = {
        folder: room
        for folder in dict.fromkeys((str(facts["home"]), str(facts["folder"])))
        if (room := system.free_bytes(folder)) is not None
    }
    text = ", ".join(f"{room / 1e9:.1f} GB free for {folder}" for folder, room in free.items())
    if any(room < LOW_BYTES for room in free.values()):
        purge = f"{facts['executable']} -m pip cache purge"
        return warning(name, text, mend=f"{purge} && {machine.as_root(system, 'apt clean')}")
    return ok(name, text or "not told by this machine")
