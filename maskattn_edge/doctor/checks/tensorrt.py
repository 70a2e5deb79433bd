"""TensorRT and its Python binding, which on a Jetson come from JetPack, not from pip."""

from __future__ import annotations

import shlex

from maskattn_edge.doctor import machine
from maskattn_edge.doctor.finding import Finding, ok, warning
from maskattn_edge.doctor.system import System

OLDEST = 10
_BINDINGS = "/usr/lib/python3*/dist-packages/tensorrt"
_OWN_VENV = (
    "/usr/bin/python3 -m venv --system-site-packages ~/maskattn && "
    "~/maskattn/bin/pip install 'maskattn-edge[tensorrt]'"
)


def check(name: str, system: System) -> Finding:
    """Version of the binding, or why there is none."""
    found = system.probe("tensorrt")
    if not machine.has_nvidia_gpu(system):
        return ok(name, "not needed without an NVIDIA GPU")
    if found.error and machine.missing(found.error):
        return warning(name, "Python does not find it", mend=_install(system))
    if found.error:
        return warning(name, f"it does not load ({found.error})", mend=_repair(system))
    version = str(found.facts["version"])
    if int(version.partition(".")[0]) < OLDEST:
        text = f"{version} is too old: {OLDEST} or later is needed"
        return warning(name, text, mend=_install(system))
    return ok(name, version)


def _install(system: System) -> str:
    if not machine.is_jetson(system):
        return machine.pip_install(system, f"tensorrt-cu{machine.cuda_major(system) or 12}")
    if machine.in_container(system) or not system.glob(_BINDINGS):
        return machine.as_root(system, "apt install python3-libnvinfer")
    facts = machine.python(system)
    if facts["venv"] and _is_systems_python(system):
        config = shlex.quote(f"{facts['prefix']}/pyvenv.cfg")
        return f"sed -i '/^include-system-site-packages/s/false/true/' {config}"
    return _OWN_VENV  # the binding is compiled for the system's Python only


def _repair(system: System) -> str:
    if machine.is_jetson(system):
        return machine.as_root(system, "apt install --reinstall python3-libnvinfer libnvinfer10")
    package = f"tensorrt-cu{machine.cuda_major(system) or 12}"
    return machine.pip_install(system, "--force-reinstall", package)


def _is_systems_python(system: System) -> bool:
    """Whether our Python has the version that JetPack's binding is compiled for."""
    answer = system.run("/usr/bin/python3", "--version")
    mine = str(machine.python(system)["version"]).rpartition(".")[0]
    return answer is not None and answer.text.startswith(f"Python {mine}.")
