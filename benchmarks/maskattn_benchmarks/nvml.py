"""NVIDIA's management library, where there is one: facts of the GPU and the memory in use."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import Any


def open_nvml() -> tuple[Any, str]:
    """The initialised module pynvml, or None and why not."""
    try:
        nvml: Any = importlib.import_module("pynvml")
    except ModuleNotFoundError:
        return None, "the package nvidia-ml-py is not installed"
    try:
        nvml.nvmlInit()
        if nvml.nvmlDeviceGetCount() < 1:
            return None, "this machine has no NVIDIA GPU"
    except nvml.NVMLError as error:
        return None, f"this machine has no NVIDIA driver ({error})"
    return nvml, ""


def used_mib(nvml: Any) -> float | None:  # noqa: ANN401 - pynvml has no types
    """GPU memory in use by all processes on the first GPU, MiB; None where it is not told.

    Args:
        nvml: the initialised module pynvml, or None.
    """
    if nvml is None:
        return None
    try:
        device = nvml.nvmlDeviceGetHandleByIndex(0)
        return float(nvml.nvmlDeviceGetMemoryInfo(device).used) / 2**20
    except nvml.NVMLError:  # boards that share their memory with the CPU do not tell
        return None


def gpu_facts(nvml: Any) -> dict[str, str]:  # noqa: ANN401
    """Name, driver, clocks, temperature and power limit of the first GPU; what it tells of them."""
    device = nvml.nvmlDeviceGetHandleByIndex(0)
    asked: dict[str, Callable[[], str]] = {
        "GPU": lambda: _text(nvml.nvmlDeviceGetName(device)),
        "GPU driver": lambda: _text(nvml.nvmlSystemGetDriverVersion()),
        "GPU clock": lambda: f"{nvml.nvmlDeviceGetClockInfo(device, 1)} MHz",
        "GPU memory clock": lambda: f"{nvml.nvmlDeviceGetClockInfo(device, 2)} MHz",
        "GPU temperature": lambda: f"{nvml.nvmlDeviceGetTemperature(device, 0)} °C",
        "GPU power limit": lambda: f"{nvml.nvmlDeviceGetEnforcedPowerLimit(device) / 1e3:.0f} W",
    }
    facts = {}
    for name, ask in asked.items():
        try:
            facts[name] = ask()
        except nvml.NVMLError:  # a GPU need not know all of them
            continue
    return facts


def gpu_gauges(nvml: Any) -> dict[str, float]:  # noqa: ANN401
    """Temperature and clock of the first GPU, by name with its unit; what it tells of them."""
    device = nvml.nvmlDeviceGetHandleByIndex(0)
    asked: dict[str, Callable[[], float]] = {
        "GPU, °C": lambda: float(nvml.nvmlDeviceGetTemperature(device, 0)),
        "GPU clock, MHz": lambda: float(nvml.nvmlDeviceGetClockInfo(device, 1)),
    }
    values = {}
    for name, ask in asked.items():
        try:
            values[name] = ask()
        except nvml.NVMLError:
            continue
    return values


def _text(value: str | bytes) -> str:
    return value.decode() if isinstance(value, bytes) else value
