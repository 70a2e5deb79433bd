"""What a build needs of the machine, in one place, so that the rest is plain logic."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from maskattn_edge.contract.model_file import ModelFile
from maskattn_edge.engines.gpu import DeviceFacts, check_driver
from maskattn_edge.engines.tensorrt.builder import OnStep
from maskattn_edge.engines.tensorrt.child import build_in_child
from maskattn_edge.engines.tensorrt.cuda import Cuda
from maskattn_edge.engines.tensorrt.fingerprint import BuildOptions
from maskattn_edge.engines.tensorrt.library import load_tensorrt
from maskattn_edge.engines.tensorrt.preflight import BuildMemory, host_memory_mb
from maskattn_edge.engines.tensorrt.request import BuildRequest, Built
from maskattn_edge.engines.tensorrt.sidecar import Agreement


@dataclass(frozen=True, kw_only=True)
class Examined:
    """A plan after it ran on the device."""

    agreement: Agreement
    activation_bytes: int
    layers: int


@dataclass(frozen=True, kw_only=True)
class Toolchain:
    """TensorRT's version, the device, and the three things done with them.

    Args:
        tensorrt: version of the library.
        device: what plans are built for.
        memory: asked before a build.
        build: writes the plan; may take minutes.
        examine: loads a plan (model, plan, DLA core), and compares its answers.
        explain: asked of a refused engine which layer departs; may take some builds.
    """

    tensorrt: str
    device: DeviceFacts
    memory: Callable[[], BuildMemory]
    build: Callable[[BuildRequest, OnStep | None], Built]
    examine: Callable[[ModelFile, bytes, int | None], Examined]
    explain: Callable[[ModelFile, BuildOptions, OnStep | None], str] | None = None


def this_machine() -> Toolchain:
    """The real one.

    Raises:
        MissingDependencyError: TensorRT or cuda-bindings is not installed.
        EngineError: there is no GPU.
    """
    check_driver()  # first: where there is no GPU, nobody misses TensorRT
    trt = load_tensorrt()
    cuda = Cuda.open()
    return Toolchain(
        tensorrt=str(trt.__version__),
        device=cuda.facts(),
        memory=lambda: _memory(cuda),
        build=build_in_child,
        examine=examine,
        explain=explain,
    )


def examine(file: ModelFile, plan: bytes, dla: int | None) -> Examined:
    """Load the plan on the device, run it on the reference, and count. Raises EngineError."""
    from maskattn_edge.engines.tensorrt.plan_engine import PlanEngine
    from maskattn_edge.engines.tensorrt.verification import compare, reference_of

    reference = reference_of(file)
    with PlanEngine(file, plan, dla=dla) as engine:
        return Examined(
            agreement=compare(reference, engine),
            activation_bytes=engine.activation_bytes,
            layers=engine.layers,
        )


def explain(file: ModelFile, options: BuildOptions, on_step: OnStep | None) -> str:
    """Name the layer at fault, on the first image of the reference."""
    from maskattn_edge.engines.tensorrt import departure
    from maskattn_edge.engines.tensorrt.verification import reference_of

    return departure.explain(file, reference_of(file).images[0], options, on_step)


def _memory(cuda: Cuda) -> BuildMemory:
    if cuda.integrated:
        return BuildMemory(host_mb=host_memory_mb())
    cuda.make_current()
    try:
        return BuildMemory(host_mb=host_memory_mb(), device_mb=cuda.memory().free >> 20)
    finally:
        cuda.close()
