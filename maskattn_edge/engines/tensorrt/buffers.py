"""A plan's inputs and outputs: in the host's memory, and where the device reads and writes them."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass
from types import ModuleType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from maskattn_edge.contract.errors import EngineError
from maskattn_edge.engines.tensorrt.cuda import Cuda, HostBuffer

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


class Buffers:
    """Memory for all inputs and outputs of one execution context.

    Args:
        trt: the module `tensorrt`.
        cuda: the device, current in the calling thread.
        in_place: whether the device uses the host's memory in place of copies; None leaves it to
            what the device can do and to `IN_PLACE_BYTES`.
    """

    def __init__(self, trt: ModuleType, cuda: Cuda, *, in_place: bool | None = None) -> None:
        self._trt, self._cuda, self._in_place = trt, cuda, in_place
        self._held = ExitStack()
        self._inputs: list[_Tensor] = []
        self._outputs: list[_Tensor] = []

    def bind(self, engine: Any, context: Any) -> None:  # noqa: ANN401 - TensorRT has no types
        """Take the memory and tell the context where it is.

        Raises:
            EngineError: memory is out, or TensorRT refuses it. `free` gives back what was taken.
        """
        for index in range(engine.num_io_tensors):
            tensor = self._allocate(engine, engine.get_tensor_name(index))
            (self._inputs if tensor.is_input else self._outputs).append(tensor)
            if not context.set_tensor_address(tensor.name, tensor.device):
                raise EngineError(f"TensorRT refuses the memory for {tensor.name}")

    def write(self, image_nhwc: NDArray[np.uint8]) -> None:
        """Set the input."""
        for tensor in self._inputs:
            np.copyto(tensor.array, image_nhwc)

    def read(self) -> Outputs:
        """Copies of the outputs, by name."""
        return {tensor.name: tensor.array.copy() for tensor in self._outputs}

    def start_copies_in(self, stream: Any) -> None:  # noqa: ANN401
        """Start copies to the device of inputs that it does not use in place."""
        for tensor in self._inputs:
            if tensor.copied:
                self._cuda.to_device(tensor.device, tensor.buffer, stream)

    def start_copies_out(self, stream: Any) -> None:  # noqa: ANN401
        """Likewise of outputs, to the host."""
        for tensor in self._outputs:
            if tensor.copied:
                self._cuda.to_host(tensor.buffer, tensor.device, stream)

    def free(self) -> None:
        """Give all memory back."""
        self._inputs, self._outputs = [], []
        self._held.close()

    def _allocate(self, engine: Any, name: str) -> _Tensor:  # noqa: ANN401
        dtype = np.dtype(self._trt.nptype(engine.get_tensor_dtype(name)))
        shape = tuple(engine.get_tensor_shape(name))
        if min(shape, default=1) < 1:
            raise EngineError(f"the plan leaves the shape of {name} open, {shape}: build it again")
        size = int(np.prod(shape)) * dtype.itemsize
        is_input = engine.get_tensor_mode(name) == self._trt.TensorIOMode.INPUT
        # Where CPU and GPU share memory there is no bus, and the GPU too would miss the caches.
        only_written = is_input and not self._cuda.integrated
        buffer = self._cuda.allocate_host(size, only_written=only_written)
        self._held.callback(self._cuda.free_host, buffer)
        device, copied = buffer.device, not self._uses_in_place(size)
        if copied:
            device = self._cuda.allocate(size)
            self._held.callback(self._cuda.free, device)
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
