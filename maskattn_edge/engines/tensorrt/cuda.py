"""The few calls of CUDA's driver that an engine needs, through cuda-bindings alone.

One binding serves memory, streams and graphs on Jetson and server: its wheels exist for x86_64 and
aarch64, while PyCUDA must be compiled on each robot and knows no graphs. Everything lies in the
device's primary context, which other libraries of the process (PyTorch, CuPy) share.

Source: docs.nvidia.com/cuda/cuda-driver-api
"""

from __future__ import annotations

import ctypes
import importlib
from collections.abc import Callable
from types import ModuleType
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from maskattn_edge.contract.errors import EngineError, MissingDependencyError
from maskattn_edge.engines.gpu import NO_DRIVER, DeviceFacts, driver_version

_HOST_MAPPED = 2  # CU_MEMHOSTALLOC_DEVICEMAP
_WRITE_COMBINED = 4  # CU_MEMHOSTALLOC_WRITECOMBINED


class HostBuffer(NamedTuple):
    """Page-locked host memory: as an array of bytes, and where the device sees it."""

    array: NDArray[np.uint8]
    host: int
    device: int


class Memory(NamedTuple):
    """Bytes of the device's memory; on a Jetson it is the robot's only memory."""

    free: int
    total: int


class Graph(NamedTuple):
    """A captured frame, ready to be launched."""

    executable: Any
    graph: Any


class Cuda:
    """One device's primary context. Calls come from one thread, after `make_current`.

    Args:
        driver: the module `cuda.bindings.driver`, or what behaves like it.
        ordinal: number of the device.

    Raises:
        EngineError: there is no driver, no such device, or a call fails.
    """

    def __init__(self, driver: ModuleType | Any, ordinal: int = 0) -> None:  # noqa: ANN401
        self._driver = driver
        try:
            self._call("cuInit", 0)
            self._device = self._call("cuDeviceGet", ordinal)
        except EngineError as error:
            raise EngineError(f"no NVIDIA GPU can be used: {error}") from error
        except Exception as error:  # the binding finds the driver's library on its first call
            raise EngineError(NO_DRIVER) from error
        self._context: Any = None

    @classmethod
    def open(cls, ordinal: int = 0) -> Cuda:
        """The device, through cuda-bindings. No context is made yet.

        Raises:
            MissingDependencyError: cuda-bindings is not installed.
            EngineError: there is no driver or no such device.
        """
        try:
            driver = importlib.import_module("cuda.bindings.driver")
        except ModuleNotFoundError as error:  # of `cuda` or of a part: others share that name
            raise MissingDependencyError(
                "the engine tensorrt needs the package cuda-bindings: "
                "pip install 'maskattn-edge[tensorrt]'"
            ) from error
        return cls(driver, ordinal)

    def facts(self) -> DeviceFacts:
        """Name, compute capability and driver; needs no context."""
        name = self._call("cuDeviceGetName", 256, self._device)
        return DeviceFacts(
            name=bytes(name).split(b"\0")[0].decode(errors="replace"),
            sm=f"{self._attribute('COMPUTE_CAPABILITY_MAJOR')}."
            f"{self._attribute('COMPUTE_CAPABILITY_MINOR')}",
            driver=driver_version(int(self._call("cuDriverGetVersion"))),
        )

    @property
    def integrated(self) -> bool:
        """Whether GPU and CPU share their memory, as on a Jetson."""
        return bool(self._attribute("INTEGRATED"))

    @property
    def maps_host_memory(self) -> bool:
        """Whether the device can use page-locked host memory in place."""
        return bool(self._attribute("CAN_MAP_HOST_MEMORY"))

    def make_current(self) -> None:
        """Let the calling thread use the primary context, which is made if there is none."""
        if self._context is None:
            self._context = self._call("cuDevicePrimaryCtxRetain", self._device)
        self._call("cuCtxSetCurrent", self._context)

    def close(self) -> None:
        """Give the primary context back; it lives on while others use it."""
        if self._context is not None:
            self._context = None
            self._call("cuDevicePrimaryCtxRelease", self._device)

    def memory(self) -> Memory:
        """Free and total bytes of the device."""
        free, total = self._call("cuMemGetInfo")
        return Memory(int(free), int(total))

    def allocate(self, size: int) -> int:
        """Device memory, at least one byte; its address."""
        return int(self._call("cuMemAlloc", max(size, 1)))

    def free(self, address: int) -> None:
        """Give device memory back."""
        self._call("cuMemFree", address)

    def allocate_host(self, size: int, *, only_written: bool = False) -> HostBuffer:
        """Page-locked memory that the device may also use in place.

        What the host only writes stays out of its caches, where the bus need not look for it; to
        read it back on the host is very slow.
        """
        flags = _HOST_MAPPED | (_WRITE_COMBINED if only_written else 0)
        host = int(self._call("cuMemHostAlloc", size, flags))
        device = int(self._call("cuMemHostGetDevicePointer", host, 0))
        array = np.frombuffer(memoryview((ctypes.c_uint8 * size).from_address(host)), np.uint8)
        return HostBuffer(array, host, device)

    def free_host(self, buffer: HostBuffer) -> None:
        """Give page-locked memory back; its array must not be used any more."""
        self._call("cuMemFreeHost", buffer.host)

    def stream(self) -> Any:  # noqa: ANN401 - the binding's own type
        """A stream that waits for no other."""
        return self._call("cuStreamCreate", self._enum("CUstream_flags", "CU_STREAM_NON_BLOCKING"))

    def destroy_stream(self, stream: Any) -> None:  # noqa: ANN401
        """Give a stream back."""
        self._call("cuStreamDestroy", stream)

    def to_device(self, device: int, buffer: HostBuffer, stream: Any) -> None:  # noqa: ANN401
        """Start a copy of the whole buffer to the device."""
        self._call("cuMemcpyHtoDAsync", device, buffer.host, buffer.array.nbytes, stream)

    def to_host(self, buffer: HostBuffer, device: int, stream: Any) -> None:  # noqa: ANN401
        """Start a copy from the device that fills the buffer."""
        self._call("cuMemcpyDtoHAsync", buffer.host, device, buffer.array.nbytes, stream)

    def wait(self, stream: Any) -> None:  # noqa: ANN401
        """Return once all work of the stream is done."""
        self._call("cuStreamSynchronize", stream)

    def capture(self, stream: Any, work: Callable[[], None]) -> Graph:  # noqa: ANN401
        """What `work` starts on `stream`, as one graph.

        Raises:
            EngineError: CUDA refuses to capture some of it. The stream can be used as before.
        """
        mode = self._enum("CUstreamCaptureMode", "CU_STREAM_CAPTURE_MODE_THREAD_LOCAL")
        self._call("cuStreamBeginCapture", stream, mode)
        try:
            work()
        except BaseException:
            self._driver.cuStreamEndCapture(stream)  # it fails too; what matters is that it ends
            raise
        graph = self._call("cuStreamEndCapture", stream)
        return Graph(self._call("cuGraphInstantiate", graph, 0), graph)

    def launch(self, graph: Graph, stream: Any) -> None:  # noqa: ANN401
        """Start a captured graph."""
        self._call("cuGraphLaunch", graph.executable, stream)

    def replayer(self, graph: Graph, stream: Any) -> Callable[[], None]:  # noqa: ANN401
        """A call that makes the context current, runs a graph and waits for its end.

        All is looked up here, once: more than half of what the three calls cost in Python.
        """
        steps = tuple(
            (name, getattr(self._driver, name), arguments)
            for name, *arguments in (
                ("cuCtxSetCurrent", self._context),
                ("cuGraphLaunch", graph.executable, stream),
                ("cuStreamSynchronize", stream),
            )
        )

        def replay() -> None:
            for name, call, arguments in steps:
                status = call(*arguments)[0]
                if status != 0:
                    raise _failed(name, status)

        return replay

    def destroy_graph(self, graph: Graph) -> None:
        """Give a graph back."""
        self._call("cuGraphExecDestroy", graph.executable)
        self._call("cuGraphDestroy", graph.graph)

    def event(self) -> Any:  # noqa: ANN401
        """A mark on a stream that keeps its time."""
        return self._call("cuEventCreate", 0)

    def destroy_event(self, event: Any) -> None:  # noqa: ANN401
        """Give a mark back."""
        self._call("cuEventDestroy", event)

    def record(self, event: Any, stream: Any) -> None:  # noqa: ANN401
        """Mark where the stream is now."""
        self._call("cuEventRecord", event, stream)

    def elapsed_ms(self, start: Any, end: Any) -> float:  # noqa: ANN401
        """Milliseconds between two marks that the device has passed, by its own clock."""
        return float(self._call("cuEventElapsedTime", start, end))

    def _attribute(self, name: str) -> int:
        attribute = self._enum("CUdevice_attribute", f"CU_DEVICE_ATTRIBUTE_{name}")
        return int(self._call("cuDeviceGetAttribute", attribute, self._device))

    def _enum(self, kind: str, name: str) -> Any:  # noqa: ANN401
        return getattr(getattr(self._driver, kind), name)

    def _call(self, name: str, *arguments: Any) -> Any:  # noqa: ANN401
        """Call a function of the driver; what it returns beside its status."""
        answer = getattr(self._driver, name)(*arguments)
        if answer[0] != 0:
            raise _failed(name, answer[0])
        if len(answer) > 2:
            return answer[1:]
        return answer[1] if len(answer) == 2 else None


def _failed(name: str, status: Any) -> EngineError:  # noqa: ANN401
    return EngineError(f"CUDA's {name} failed: {getattr(status, 'name', str(int(status)))}")
