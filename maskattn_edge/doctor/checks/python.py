"""Python: a version that we support, on a processor that has wheels."""

from __future__ import annotations

from maskattn_edge.doctor import machine
from maskattn_edge.doctor.finding import Finding, broken, ok
from maskattn_edge.doctor.system import System

FIRST, LAST = (3, 10), (3, 12)


def check(name: str, system: System) -> Finding:
    """Version, processor and the program itself."""
    facts = machine.python(system)
    version = tuple(int(part) for part in str(facts["version"]).split(".")[:2])
    text = f"{facts['version']}, {facts['machine']}, {facts['executable']}"
    if not FIRST <= version <= LAST:
        mend = "python3.12 -m venv ~/maskattn && ~/maskattn/bin/pip install maskattn-edge"
        return broken(name, f"{text}: 3.10 to 3.12 are supported", mend=mend)
    if facts["bits"] != 64:
        mend = "uname -m  # then install the 64-bit system of this board"
        return broken(name, f"{text}: it is a 32-bit Python, for which nothing is built", mend=mend)
    return ok(name, text)
