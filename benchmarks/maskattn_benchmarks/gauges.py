"""Temperatures, clocks and load of the machine, read again and again."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from maskattn_benchmarks.machine import ROOT, MachineState, machine_state
from maskattn_benchmarks.nvml import gpu_gauges
from maskattn_benchmarks.results import Series


class GaugeLog:
    """One column per gauge; a gauge that is missing in a reading has None there.

    Args:
        nvml: the initialised module pynvml, or None.
        root: where the kernel's files are.
    """

    def __init__(self, nvml: Any = None, root: Path = ROOT) -> None:  # noqa: ANN401
        self._nvml, self._root = nvml, root
        self._at: list[float] = []
        self._columns: dict[str, list[float | None]] = {}
        self._former = machine_state(root)

    def read(self, at: float) -> None:
        """Take one reading, `at` seconds after the start."""
        state = machine_state(self._root)
        values = _values(self._former, state)
        values |= gpu_gauges(self._nvml) if self._nvml is not None else {}
        self._former = state
        for name in dict.fromkeys((*self._columns, *values)):
            column = self._columns.setdefault(name, [None] * len(self._at))
            column.append(values.get(name))
        self._at.append(round(at, 3))

    def series(self) -> Series:
        """All readings so far."""
        gauges = {name: tuple(column) for name, column in self._columns.items()}
        return Series(at=tuple(self._at), gauges=gauges)


def _values(former: MachineState, state: MachineState) -> dict[str, float]:
    values = {}
    seconds = state.at - former.at
    if state.busy_s is not None and former.busy_s is not None and seconds > 0:
        values["cores in use"] = round((state.busy_s - former.busy_s) / seconds, 3)
    if state.frequency_mhz:
        values["core clock, MHz"] = round(sum(state.frequency_mhz) / len(state.frequency_mhz), 1)
    for name, degrees in (state.temperature_c or {}).items():
        values[f"{name[:200]}, °C"] = degrees
    return values
