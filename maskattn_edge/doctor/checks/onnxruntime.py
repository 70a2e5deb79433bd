"""ONNX Runtime: the back end that runs everywhere."""

from __future__ import annotations

from maskattn_edge.doctor import machine
from maskattn_edge.doctor.finding import Finding, broken, ok
from maskattn_edge.doctor.system import System


def check(name: str, system: System) -> Finding:
    """Version and execution providers."""
    found = system.probe("onnxruntime")
    if found.error:
        mend = machine.pip_install(system, "--force-reinstall", "onnxruntime")
        return broken(name, f"it does not load ({found.error})", mend=mend)
    providers = [name.removesuffix("ExecutionProvider") for name in found.facts["providers"]]
    return ok(name, f"{found.facts['version']}; providers: {', '.join(providers)}")
