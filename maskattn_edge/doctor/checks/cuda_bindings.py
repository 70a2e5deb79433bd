"""cuda-bindings, through which TensorRT engines run; its first number must be the driver's."""

from __future__ import annotations

from maskattn_edge.doctor import machine
from maskattn_edge.doctor.finding import Finding, ok, warning
from maskattn_edge.doctor.system import System


def check(name: str, system: System) -> Finding:
    """Version; PyCUDA is named where it is there, and not used."""
    if not machine.has_nvidia_gpu(system):
        return ok(name, "not needed without an NVIDIA GPU")
    newest = machine.cuda_major(system)
    wanted = ["maskattn-edge[tensorrt]"]
    if newest is not None:
        wanted.append(f"cuda-bindings<{newest + 1}")
    mend = machine.pip_install(system, *wanted)
    found = system.probe("cuda-bindings")
    if found.error:
        missing = machine.missing(found.error)
        return warning(
            name, "not installed" if missing else f"it does not load ({found.error})", mend=mend
        )
    version = str(found.facts["version"])
    if newest is not None and int(version.partition(".")[0]) > newest:
        return warning(name, f"{version} is for a newer driver: CUDA {newest} is here", mend=mend)
    pycuda = system.probe("pycuda")
    other = "" if pycuda.error else f"; PyCUDA {pycuda.facts['version']} is here too, not used"
    return ok(name, f"{version}{other}")
