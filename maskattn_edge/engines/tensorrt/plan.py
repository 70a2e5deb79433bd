"""A loaded plan on the device: its buffers, and one frame through it, as a CUDA graph."""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from types import ModuleType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from maskattn_edge.contract.errors import EngineError
from maskattn_edge.engines.tensorrt.activations import ACTIVATIONS
from maskattn_edge.engines.tensorrt.cuda import Cuda, Graph, HostBuffer
from maskattn_edge.engines.tensorrt.library import collecting_logger

Outputs = dict[str, NDArray[np.generic]]

IN_PLACE_BYTES = 1 << 20
"""Inputs and outputs up to this size are read and written in the host's memory, on any GPU that
can: each saves a copy, and with it a node of the graph (5 us on an H100, of 121 in all). Larger
ones are copied, which a GPU with memory of its own does faster than reading across the bus."""


@dataclass(frozen=True, kw_only=True)
class _Tensor:
    """An input or output: `array` is the host's view; `device` where the network reads or writes.

    `copied` is False where the device uses the host's memory in place.
    """

    name: str
    is_input: bool
    array: NDArray[np.generic]
    buffer: HostBuffer
    device: int
    copied: bool


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
            leaves it to what the device can do and to `IN_PLACE_BYTES`.

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
        self._in_place = in_place
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
            self._tensors = [
                self._bind(self._engine.get_tensor_name(index), held)
                for index in range(self._engine.num_io_tensors)
            ]
            self._inputs = [tensor.array for tensor in self._tensors if tensor.is_input]
            self._outputs = [(t.name, t.array) for t in self._tensors if not t.is_input]
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
        for array in self._inputs:
            np.copyto(array, image_nhwc)
        if self._events is None:
            self.replay()
        else:
            self.gpu_ms = self._timed(*self._events)
        return {name: array.copy() for name, array in self._outputs}

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
        self._tensors, self._inputs, self._outputs = [], [], []
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

    def _bind(self, name: str, held: ExitStack) -> _Tensor:
        dtype = np.dtype(self._trt.nptype(self._engine.get_tensor_dtype(name)))
        shape = tuple(self._engine.get_tensor_shape(name))
        if min(shape, default=1) < 1:
            raise EngineError(f"the plan leaves the shape of {name} open, {shape}: build it again")
        size = int(np.prod(shape)) * dtype.itemsize
        is_input = self._engine.get_tensor_mode(name) == self._trt.TensorIOMode.INPUT
        # Where CPU and GPU share memory there is no bus, and the GPU too would miss the caches.
        only_written = is_input and not self._cuda.integrated
        buffer = self._cuda.allocate_host(size, only_written=only_written)
        held.callback(self._cuda.free_host, buffer)
        device, copied = buffer.device, not self._uses_in_place(size)
        if copied:
            device = self._cuda.allocate(size)
            held.callback(self._cuda.free, device)
        if not self._context.set_tensor_address(name, device):
            raise EngineError(f"TensorRT refuses the memory for {name}")
        return _Tensor(
            name=name,
            is_input=is_input,
            array=buffer.array.view(dtype).reshape(shape),
            buffer=buffer,
            device=device,
            copied=copied,
        )

    def _uses_in_place(self, size: int) -> bool:
        if self._in_place is not None:
            return self._in_place
        return self._cuda.maps_host_memory and (self._cuda.integrated or size <= IN_PLACE_BYTES)

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
        for tensor in self._tensors:
            if tensor.is_input and tensor.copied:
                self._cuda.to_device(tensor.device, tensor.buffer, self._stream)
        if not self._context.execute_async_v3(int(self._stream)):
            errors = self._logger.errors
            raise EngineError(f"TensorRT failed: {errors[-1] if errors else 'it gave no reason'}")
        for tensor in self._tensors:
            if not tensor.is_input and tensor.copied:
                self._cuda.to_host(tensor.buffer, tensor.device, self._stream)


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
