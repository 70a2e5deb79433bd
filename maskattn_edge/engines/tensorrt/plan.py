"""A loaded plan on the device, and one frame through it, as a CUDA graph."""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import ExitStack
from types import ModuleType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from maskattn_edge.contract.errors import EngineError
from maskattn_edge.engines.tensorrt.activations import ACTIVATIONS
from maskattn_edge.engines.tensorrt.buffers import Buffers, Outputs
from maskattn_edge.engines.tensorrt.cuda import Cuda, Graph
from maskattn_edge.engines.tensorrt.library import collecting_logger


class LoadedPlan:
    """Deserialized, with all memory taken; every frame reuses the same buffers.

    Args:
        trt: the module `tensorrt`.
        cuda: the device; the calling thread becomes the owner.
        plan: the serialized engine.
        graph: whether to capture the whole frame; if CUDA refuses, frames are enqueued one by one
            and `graph_refused` says why.
        dla: DLA core that runs the plan, if it was built for one.
        in_place: whether the device reads and writes the host's memory in place of copies; None
            leaves it to what the device can do and to the tensors' sizes.

    Raises:
        EngineError: TensorRT or CUDA refuses the plan, or memory is out.
    """

    def __init__(
        self,
        trt: ModuleType,
        cuda: Cuda,
        plan: bytes,
        *,
        graph: bool = True,
        dla: int | None = None,
        in_place: bool | None = None,
    ) -> None:
        self._trt, self._cuda = trt, cuda
        self._owner = threading.get_ident()
        self._graph: Graph | None = None
        self._replay: Callable[[], None] | None = None
        self.graph_refused: str | None = None
        self._events: tuple[Any, Any] | None = None
        self.gpu_ms: float | None = None
        with ExitStack() as held:
            cuda.make_current()
            held.callback(cuda.close)
            self._engine = self._deserialize(plan, dla)
            self._stream = cuda.stream()
            held.callback(cuda.destroy_stream, self._stream)
            self._context = self._create_context(held)
            self._buffers = Buffers(trt, cuda, in_place=in_place)
            held.callback(self._buffers.free)
            self._buffers.bind(self._engine, self._context)
            self._settle(graph=graph, dla=dla, held=held)
            self._held = held.pop_all()

    @property
    def layers(self) -> int:
        """Layers that are left after fusion."""
        return int(self._engine.num_layers)

    @property
    def uses_graph(self) -> bool:
        """Whether a frame is one graph launch."""
        return self._graph is not None

    def run(self, image_nhwc: NDArray[np.uint8]) -> Outputs:
        """One frame, from host to host. Outputs are copies.

        Raises:
            EngineError: another thread calls, or the device fails.
        """
        if threading.get_ident() != self._owner:
            raise EngineError(
                "a TensorRT engine belongs to the thread that opened it: open one per thread"
            )
        self._buffers.write(image_nhwc)
        if self._events is None:
            self.replay()
        else:
            self.gpu_ms = self._timed(*self._events)
        return self._buffers.read()

    def replay(self) -> None:
        """One frame of what lies in the input, to the end of the device's work; no answer."""
        if self._replay is not None:
            self._replay()
        else:
            self._cuda.make_current()
            self._enqueue()
            self._cuda.wait(self._stream)

    def _timed(self, before: Any, after: Any) -> float:  # noqa: ANN401
        """One frame between two marks; the GPU's milliseconds from one to the other."""
        self._cuda.make_current()
        self._cuda.record(before, self._stream)
        if self._graph is not None:
            self._cuda.launch(self._graph, self._stream)
        else:
            self._enqueue()
        self._cuda.record(after, self._stream)
        self._cuda.wait(self._stream)
        return self._cuda.elapsed_ms(before, after)

    def measure_gpu(self) -> None:
        """Fill `gpu_ms` from now on: the GPU's own time of a frame, both copies included."""
        if self._events is None:
            self._cuda.make_current()
            self._events = self._cuda.event(), self._cuda.event()
            for event in self._events:
                self._held.callback(self._cuda.destroy_event, event)

    def profile(self, frames: int) -> dict[str, list[float]]:
        """Milliseconds of each layer, in the order in which they run, in each of so many frames.

        Frames are enqueued one by one: a graph has no layers to TensorRT. What lies in the input is
        what was there.
        """
        self._cuda.make_current()
        times: dict[str, list[float]] = {}
        self._context.profiler = profiler = _layer_profiler(self._trt, times)
        for _ in range(frames):
            self._enqueue()
            self._cuda.wait(self._stream)
        self._profiler = profiler  # TensorRT keeps no reference of its own
        return times

    def close(self) -> None:
        """Give everything back."""
        self._cuda.make_current()
        self._graph = self._replay = None
        self._context = self._engine = None
        self._held.close()

    def _deserialize(self, plan: bytes, dla: int | None) -> Any:  # noqa: ANN401
        logger = collecting_logger(self._trt)
        runtime = self._trt.Runtime(logger)
        if dla is not None:
            runtime.DLA_core = dla
        engine = runtime.deserialize_cuda_engine(plan)
        if engine is None:
            reason = " ".join(logger.errors[-1].split()) if logger.errors else "it gave no reason"
            raise EngineError(f"TensorRT refuses the plan: {reason[:300]}; build it again")
        self._runtime, self._logger = runtime, logger  # TensorRT wants both alive
        return engine

    def _create_context(self, held: ExitStack) -> Any:  # noqa: ANN401
        strategy = self._trt.ExecutionContextAllocationStrategy.USER_MANAGED
        context = self._engine.create_execution_context(strategy)
        if context is None:
            raise EngineError("TensorRT made no execution context: memory is out, or see --debug")
        size = _activation_bytes(self._engine)
        block = held.enter_context(ACTIVATIONS.block(self._cuda, size))
        if hasattr(context, "set_device_memory"):
            context.set_device_memory(block, max(size, 1))
        else:
            context.device_memory = block
        self.activation_bytes = size
        return context

    def _settle(self, *, graph: bool, dla: int | None, held: ExitStack) -> None:
        """Warm up, which TensorRT needs before a capture, and capture."""
        self._enqueue()
        self._cuda.wait(self._stream)
        if dla is not None:
            self.graph_refused = "work on a DLA cannot be captured"
        elif not graph:
            self.graph_refused = "none was asked for"
        else:
            try:
                self._graph = self._cuda.capture(self._stream, self._enqueue)
                held.callback(self._cuda.destroy_graph, self._graph)
                self._replay = self._cuda.replayer(self._graph, self._stream)
            except EngineError as error:
                self.graph_refused = str(error)

    def _enqueue(self) -> None:
        """Start one frame: copy in, run, copy out."""
        self._buffers.start_copies_in(self._stream)
        if not self._context.execute_async_v3(int(self._stream)):
            errors = self._logger.errors
            raise EngineError(f"TensorRT failed: {errors[-1] if errors else 'it gave no reason'}")
        self._buffers.start_copies_out(self._stream)


def _activation_bytes(engine: Any) -> int:  # noqa: ANN401
    """Memory that a context needs; TensorRT renamed it when sizes outgrew 32 bits."""
    if hasattr(engine, "device_memory_size_v2"):
        return int(engine.device_memory_size_v2)
    return int(engine.device_memory_size)


def _layer_profiler(trt: ModuleType, times: dict[str, list[float]]) -> Any:  # noqa: ANN401
    class Profiler(trt.IProfiler):  # type: ignore[misc, name-defined]
        def __init__(self) -> None:
            trt.IProfiler.__init__(self)  # its binding does not go through super()

        def report_layer_time(self, name: str, milliseconds: float) -> None:
            times.setdefault(name, []).append(milliseconds)

    return Profiler()
