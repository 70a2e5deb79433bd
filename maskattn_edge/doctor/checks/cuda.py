"""The GPUs that CUDA sees."""

from __future__ import annotations

from maskattn_edge.doctor import machine
from maskattn_edge.doctor.finding import Finding, ok, warning
from maskattn_edge.doctor.system import System


def check(name: str, system: System) -> Finding:
    """Name, compute capability and memory of each."""
    if not machine.has_nvidia_gpu(system):
        return ok(name, "not needed without an NVIDIA GPU")
    devices = system.probe("gpu").facts.get("devices", [])
    if not devices:
        mend = "maskattn-edge doctor  # again, once the driver above works"
        return warning(name, "CUDA sees no GPU", mend=mend)
    texts = [f"{gpu['name']}, SM {gpu['sm']}, {gpu['bytes'] / 1e9:.1f} GB" for gpu in devices]
    return ok(name, "; ".join(texts))
