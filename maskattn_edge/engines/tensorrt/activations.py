"""Activation memory, shared: engines of one thread never run at once, so one block serves them."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from maskattn_edge.engines.tensorrt.cuda import Cuda

ALIGNMENT = 256
"""TensorRT's demand on the address, which CUDA's allocator meets."""


@dataclass(eq=False)
class _Block:
    cuda: Cuda
    address: int
    size: int
    users: int = 0


class SharedActivations:
    """Blocks of device memory by owner thread; a block lives as long as an engine uses it.

    A block never grows: a captured graph holds its address. An engine that needs more than any
    block of its thread gets a new one, which later engines share.
    """

    def __init__(self) -> None:
        self._blocks: dict[int, list[_Block]] = {}
        self._lock = threading.Lock()

    @contextmanager
    def block(self, cuda: Cuda, size: int) -> Iterator[int]:
        """The address of `size` bytes or more, for an engine of the calling thread."""
        owner = threading.get_ident()
        with self._lock:
            blocks = self._blocks.setdefault(owner, [])
            fitting = [block for block in blocks if block.size >= size]
            if fitting:
                block = min(fitting, key=lambda block: block.size)
            else:
                block = _Block(cuda, cuda.allocate(size), size)
                blocks.append(block)
            block.users += 1
        try:
            yield block.address
        finally:
            with self._lock:
                block.users -= 1
                if block.users == 0:
                    blocks.remove(block)
                    cuda.free(block.address)

    def total_bytes(self) -> int:
        """Activation memory of all engines of the process."""
        with self._lock:
            return sum(block.size for blocks in self._blocks.values() for block in blocks)


ACTIVATIONS = SharedActivations()
"""Of this process."""
