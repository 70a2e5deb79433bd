"""What this machine's NVIDIA GPU is, asked of the driver alone, without any package.

Source: docs.nvidia.com/cuda/cuda-driver-api
"""

from __future__ import annotations

import ctypes
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from maskattn_edge.contract.errors import EngineError

KERNEL_MODULE = Path("/sys/module/nvidia/version")
NO_DRIVER = (
    "no NVIDIA GPU can be used: the driver's library libcuda.so.1 is not there; a container needs "
    "the NVIDIA runtime"
)
_MAJOR, _MINOR = 75, 76  # CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR and _MINOR


@dataclass(frozen=True)
class DeviceFacts:
    """A GPU: its name, its compute capability as in "8.7", and the driver's version."""

    name: str
    sm: str
    driver: str


def load_driver() -> Any:  # noqa: ANN401 - functions by name
    """The driver's library.

    Raises:
        EngineError: this machine has none.
    """
    try:
        return ctypes.CDLL("libcuda.so.1")
    except OSError as error:
        raise EngineError(NO_DRIVER) from error


def check_driver() -> None:
    """Ask, at no cost, whether this machine has NVIDIA's driver. Raises EngineError."""
    load_driver()


def gpu_facts(ordinal: int = 0) -> DeviceFacts:
    """The GPU of that number; makes no context.

    Raises:
        EngineError: there is no driver, or no such GPU.
    """
    driver = load_driver()
    device, version, name = ctypes.c_int(), ctypes.c_int(), ctypes.create_string_buffer(256)
    capability = (ctypes.c_int(), ctypes.c_int())
    _call(driver.cuInit, 0)
    _call(driver.cuDeviceGet, ctypes.byref(device), ordinal)
    _call(driver.cuDeviceGetName, name, len(name), device)
    for value, attribute in zip(capability, (_MAJOR, _MINOR), strict=True):
        _call(driver.cuDeviceGetAttribute, ctypes.byref(value), attribute, device)
    _call(driver.cuDriverGetVersion, ctypes.byref(version))
    return DeviceFacts(
        name=name.value.decode(errors="replace"),
        sm=f"{capability[0].value}.{capability[1].value}",
        driver=driver_version(version.value),
    )


def driver_version(cuda: int) -> str:
    """The kernel module's version, and the CUDA that it serves, from a number as in 12060."""
    kernel = KERNEL_MODULE.read_text().strip() if KERNEL_MODULE.is_file() else "unknown"
    return f"{kernel}, CUDA {cuda // 1000}.{cuda % 1000 // 10}"


def _call(function: Any, *arguments: object) -> None:  # noqa: ANN401
    code = function(*arguments)
    if code:
        raise EngineError(
            f"no NVIDIA GPU can be used: {function.__name__} failed with CUDA error {code}"
        )
