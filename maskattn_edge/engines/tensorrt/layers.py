"""Where a frame's time goes on the GPU: TensorRT's own profile, layer by layer."""

from __future__ import annotations

import statistics

from maskattn_edge.engines.tensorrt.cuda import Cuda
from maskattn_edge.engines.tensorrt.library import load_tensorrt
from maskattn_edge.engines.tensorrt.plan import LoadedPlan
from maskattn_edge.layer_times import LayerTime


def plan_layer_times(
    plan: bytes, *, frames: int = 200, warmup: int = 50, dla: int | None = None
) -> list[LayerTime]:
    """Median time of each layer of a plan, in the order in which they run.

    Profiling ends each layer with an event, so that the sum is more than a frame takes.

    Args:
        plan: the serialized engine.
        frames: that are measured.
        warmup: frames before them, in which the GPU's clock rises.
        dla: the DLA core that it was built for.

    Raises:
        MissingDependencyError: TensorRT or cuda-bindings is not installed.
        EngineError: there is no GPU, or TensorRT refuses the plan.
    """
    loaded = LoadedPlan(load_tensorrt(), Cuda.open(), plan, graph=False, dla=dla)
    try:
        times = loaded.profile(warmup + frames)
    finally:
        loaded.close()
    return [
        LayerTime(name=name, operator="", frame_ms=statistics.median(samples[warmup:]))
        for name, samples in times.items()
    ]
