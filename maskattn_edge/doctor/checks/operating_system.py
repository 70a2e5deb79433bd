"""The operating system, for the report; no release of Linux is refused."""

from __future__ import annotations

import re

from maskattn_edge.doctor import machine
from maskattn_edge.doctor.finding import Finding, ok
from maskattn_edge.doctor.system import System


def check(name: str, system: System) -> Finding:
    """Distribution, kernel, and whether this is a container."""
    release = system.read("/etc/os-release") or ""
    found = re.search(r'^PRETTY_NAME="?([^"\n]+)', release, re.MULTILINE)
    where = ", in a container" if machine.in_container(system) else ""
    kernel = machine.python(system)["kernel"]
    return ok(name, f"{found[1] if found else 'unknown Linux'}, kernel {kernel}{where}")
