"""OpenVINO: optional; on processors by Intel and AMD often the faster back end."""

from __future__ import annotations

from maskattn_edge.doctor import machine
from maskattn_edge.doctor.finding import Finding, ok, warning
from maskattn_edge.doctor.system import System


def check(name: str, system: System) -> Finding:
    """Version and devices."""
    found = system.probe("openvino")
    if not found.error:
        return ok(name, f"{found.facts['version']}; devices: {', '.join(found.facts['devices'])}")
    if machine.missing(found.error):
        return ok(name, "not installed; optional")
    mend = machine.pip_install(system, "--force-reinstall", "maskattn-edge[openvino]")
    return warning(name, f"it does not load ({found.error})", mend=mend)
