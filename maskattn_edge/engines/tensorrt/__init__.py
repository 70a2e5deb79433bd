"""TensorRT on NVIDIA GPUs: engines built on the device, verified, cached, and run as CUDA graphs.

A plan's way is the reading order: `fingerprint` -> `cache` -> `preflight` -> `child` (and in its
process `worker`, `builder`) -> `verification` (`departure` where it fails) -> `plan` (its
inputs and outputs: `buffers`) -> `plan_engine` -> `engine`.
Only `library` and `builder` know TensorRT's API for building, only `plan` and `buffers` the one for
running, only `cuda` the driver's.
"""

from maskattn_edge.engines.gpu import DeviceFacts
from maskattn_edge.engines.tensorrt.build import BuildResult, build_engine
from maskattn_edge.engines.tensorrt.cache import (
    CachedEngine,
    EngineCache,
    Miss,
    default_cache_folder,
    read_sidecar,
)
from maskattn_edge.engines.tensorrt.engine import TensorRTEngine, ready_engine
from maskattn_edge.engines.tensorrt.fingerprint import BuildOptions, Fingerprint
from maskattn_edge.engines.tensorrt.layers import plan_layer_times
from maskattn_edge.engines.tensorrt.plan_engine import PlanEngine
from maskattn_edge.engines.tensorrt.sidecar import Agreement, Sidecar
from maskattn_edge.engines.tensorrt.toolchain import Toolchain, this_machine

__all__ = [
    "Agreement",
    "BuildOptions",
    "BuildResult",
    "CachedEngine",
    "DeviceFacts",
    "EngineCache",
    "Fingerprint",
    "Miss",
    "PlanEngine",
    "Sidecar",
    "TensorRTEngine",
    "Toolchain",
    "build_engine",
    "default_cache_folder",
    "plan_layer_times",
    "read_sidecar",
    "ready_engine",
    "this_machine",
]
