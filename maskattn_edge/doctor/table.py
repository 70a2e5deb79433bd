"""Which checks there are, in the order of the report."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from maskattn_edge.doctor.checks import (
    cameras,
    clocks,
    cuda,
    cuda_bindings,
    disk,
    driver,
    engine_cache,
    jetson,
    memory,
    model,
    onnxruntime,
    opencv,
    openvino,
    operating_system,
    packages,
    permissions,
    power,
    python,
    tensorrt,
)
from maskattn_edge.doctor.finding import Finding
from maskattn_edge.doctor.system import System

CHECKS: dict[str, Callable[[str, System], Finding]] = {
    "Python": python.check,
    "OS": operating_system.check,
    "Jetson": jetson.check,
    "packages": packages.check,
    "model": model.check,
    "OpenCV": opencv.check,
    "ONNX Runtime": onnxruntime.check,
    "OpenVINO": openvino.check,
    "driver": driver.check,
    "CUDA": cuda.check,
    "TensorRT": tensorrt.check,
    "cuda-bindings": cuda_bindings.check,
    "engines": engine_cache.check,
    "cameras": cameras.check,
    "permissions": permissions.check,
    "power": power.check,
    "clocks": clocks.check,
    "memory": memory.check,
    "disk": disk.check,
}
"""Name in the report -> check, told its name and the machine."""


def diagnose(system: System) -> Iterator[Finding]:
    """Run every check; each finding comes as soon as it is known."""
    for name, check in CHECKS.items():
        yield check(name, system)
