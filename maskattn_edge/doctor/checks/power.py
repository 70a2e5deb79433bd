"""A Jetson's power mode: the others hold its clocks down."""

from __future__ import annotations

import re

from maskattn_edge.doctor import machine
from maskattn_edge.doctor.finding import Finding, ok, warning
from maskattn_edge.doctor.system import System


def check(name: str, system: System) -> Finding:
    """The mode, and the number of the fastest one of this board."""
    if not machine.is_jetson(system):
        return ok(name, "no power modes: this is not a Jetson")
    answer = system.run("nvpmodel", "-q")
    found = re.search(r"NV Power Mode: *(\S+)", answer.text) if answer else None
    if found is None:
        if machine.in_container(system):
            return ok(name, "not seen in a container; ask `nvpmodel -q` outside of it")
        mend = machine.as_root(system, "apt install --reinstall nvidia-l4t-nvpmodel")
        return warning(name, "nvpmodel does not tell the power mode", mend=mend)
    fastest = _fastest(system.read("/etc/nvpmodel.conf") or "")
    if fastest is None or found[1] == fastest[1]:
        return ok(name, found[1])
    text = f"{found[1]}; {fastest[1]} is faster, hotter and takes more power"
    return warning(name, text, mend=machine.as_root(system, f"nvpmodel -m {fastest[0]}"))


def _fastest(config: str) -> tuple[str, str] | None:
    """Number and name of the mode without limits; its number differs between boards."""
    modes = re.findall(r"< *POWER_MODEL +ID=(\d+) +NAME=(\S+) *>", config)
    unlimited = [(number, name) for number, name in modes if name.startswith("MAXN")]
    return max(unlimited, key=lambda mode: mode[1], default=None)  # MAXN_SUPER before MAXN
