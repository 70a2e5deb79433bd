"""Meters of energy: counters that only grow, read before and after a block of frames.

None of them needs a tool from outside: RAPL and Jetson's rails are files of the kernel, NVIDIA's
counter comes with the driver. What a machine lacks is named with the reason.
"""

from __future__ import annotations

import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Callable
from pathlib import Path
from typing import Any

SYS = Path("/sys")


class Meter(ABC):
    """Joules that a part of the machine has used since some moment."""

    name: str

    @abstractmethod
    def joules(self) -> float:
        """The count now; never less than before. Raises OSError where it can no longer be read."""

    def close(self) -> None:  # noqa: B027 - most meters hold nothing
        """Stop measuring."""


class RaplMeter(Meter):
    """Intel's and AMD's counter of a processor package.

    Source: docs.kernel.org/power/powercap/powercap.html
    """

    def __init__(self, zone: Path) -> None:
        self._count = zone / "energy_uj"
        self.name = f"RAPL {(zone / 'name').read_text().strip()}"
        self._wrap = int((zone / "max_energy_range_uj").read_text())
        self._last = int(self._count.read_text())
        self._total = 0

    def joules(self) -> float:
        """The count, across its wrap-around."""
        now = int(self._count.read_text())
        step = now - self._last
        self._total += step if step >= 0 else step + self._wrap
        self._last = now
        return self._total / 1e6


class NvmlMeter(Meter):
    """NVIDIA's counter of a whole GPU."""

    def __init__(self, nvml: Any, index: int = 0) -> None:  # noqa: ANN401 - it has no types
        self._nvml = nvml
        self._device = nvml.nvmlDeviceGetHandleByIndex(index)
        self.name = f"NVML GPU {index}"
        self.joules()  # older GPUs have no counter, and say so here

    def joules(self) -> float:
        """The count since the driver was loaded."""
        try:
            return float(self._nvml.nvmlDeviceGetTotalEnergyConsumption(self._device)) / 1e3
        except self._nvml.NVMLError as error:
            raise OSError(f"NVML: {error}") from error


class RailMeter(Meter):
    """Jetson's input rail (INA3221): volts times amperes, read ten times a second in a thread.

    Source: docs.nvidia.com/jetson/archives, section "Software-based power consumption modeling".
    """

    def __init__(
        self,
        volts: Path,
        amperes: Path,
        label: str,
        *,
        period_s: float = 0.1,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.name = f"rail {label}"
        self._volts, self._amperes = volts, amperes
        self._clock, self._lock = clock, threading.Lock()
        self._total, self._last = 0.0, (clock(), self._watts())
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, args=(period_s,), daemon=True)
        self._thread.start()

    def joules(self) -> float:
        """Power over time by the trapezoidal rule, up to now."""
        with self._lock:
            now, watts = self._clock(), self._watts()
            before, earlier = self._last
            self._total += (now - before) * (watts + earlier) / 2
            self._last = now, watts
            return self._total

    def close(self) -> None:
        """Stop the thread."""
        self._stop.set()
        self._thread.join()

    def _watts(self) -> float:
        return int(self._volts.read_text()) * int(self._amperes.read_text()) / 1e6

    def _run(self, period_s: float) -> None:
        while not self._stop.wait(period_s):
            try:
                self.joules()
            except OSError:  # the reader of the figure meets the same error, and says so
                return


def open_meters(
    nvml: Any = None,  # noqa: ANN401
    nvml_note: str = "no NVML",
    sys: Path = SYS,
) -> tuple[list[Meter], list[str]]:
    """The meters of this machine, and a sentence for each kind that it lacks.

    Args:
        nvml: the initialised module pynvml, or None.
        nvml_note: why there is no `nvml`.
        sys: where the kernel's files are.
    """
    meters: list[Meter] = []
    lacking: list[str] = []
    kinds: dict[str, Callable[[], list[Meter]]] = {
        "CPU energy (RAPL)": lambda: _rapl(sys),
        "GPU energy (NVML)": lambda: _gpu(nvml, nvml_note),
        "board energy (Jetson rails)": lambda: _rails(sys),
    }
    for kind, opened in kinds.items():
        try:
            meters += opened()
        except PermissionError as error:
            lacking.append(f"{kind}: not measured: only root may read {error.filename}")
        except (OSError, ValueError) as error:
            lacking.append(f"{kind}: not measured: {error}")
    return meters, lacking


def _rapl(sys: Path) -> list[Meter]:
    zones = sorted((sys / "class/powercap").glob("intel-rapl:[0-9]*"))
    packages = [zone for zone in zones if zone.name.count(":") == 1]
    if not packages:
        raise OSError("this machine has no /sys/class/powercap/intel-rapl")
    return [RaplMeter(zone) for zone in packages]


def _gpu(nvml: Any, note: str) -> list[Meter]:  # noqa: ANN401
    if nvml is None:
        raise OSError(note)
    try:
        return [NvmlMeter(nvml)]
    except nvml.NVMLError as error:
        raise OSError(f"NVML: {error}") from error


def _rails(sys: Path) -> list[Meter]:
    for monitor in sorted((sys / "class/hwmon").glob("hwmon*")):
        if not (monitor / "name").is_file() or (monitor / "name").read_text().strip() != "ina3221":
            continue
        for label in sorted(monitor.glob("in[0-9]_label")):
            name, number = label.read_text().strip(), label.name[2]
            if name in ("VDD_IN", "VIN", "5V_IN"):  # the whole board; other rails are parts of it
                volts = monitor / f"in{number}_input"
                return [RailMeter(volts, monitor / f"curr{number}_input", name)]
    raise OSError("this machine has no power monitor INA3221")
