"""PyTorch as an engine, eager and compiled: what a model costs that was never exported to ONNX.

It runs the exported program `MODEL.pt2` beside the model file, which `python -m
maskattn_export.program` writes: the same network with the same weights, uint8 image to labels.
"""

from __future__ import annotations

import importlib
import os
import time
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from maskattn_edge.contract.errors import EngineError, ModelFileError
from maskattn_edge.contract.model_file import ModelFile
from maskattn_edge.engines import Engine
from maskattn_edge.optional import require


class PyTorchEngine(Engine):
    """Runs the program eagerly, on the GPU where PyTorch finds one.

    Args:
        file: the model file that the program lies beside.
        threads: CPU threads for one frame; None takes all cores that this process may use.

    Raises:
        MissingDependencyError: PyTorch is not installed.
        ModelFileError: there is no program, or PyTorch refuses it.
    """

    name = "pytorch"

    def __init__(self, file: ModelFile, *, threads: int | None = None) -> None:
        super().__init__(file)
        path = _program_path(file.path)
        torch: Any = require("torch", purpose=f"the engine {self.name}", extra="peers")
        self._torch = torch
        self.threads = threads or len(os.sched_getaffinity(0))
        torch.set_num_threads(self.threads)
        self._gpu = bool(torch.cuda.is_available())
        self._where = torch.device("cuda" if self._gpu else "cpu")
        self._events: tuple[Any, Any] | None = None
        self._program = self._prepared(_load(torch, path, self._where))

    @property
    def device(self) -> str:
        """Where it runs."""
        version = f"PyTorch {self._torch.__version__}"
        if self._gpu:
            return f"{self._torch.cuda.get_device_name()}, {version}"
        return f"CPU, {self.threads} thread{'s' * (self.threads != 1)}, {version}"

    def measure_gpu(self) -> None:
        """Time frames by CUDA's events, where there is a GPU."""
        if self._gpu:
            create = self._torch.cuda.Event
            self._events = create(enable_timing=True), create(enable_timing=True)

    def _prepared(self, program: Any) -> Any:  # noqa: ANN401 - PyTorch is optional
        return program

    def _run(self, image_nhwc: NDArray[np.uint8]) -> dict[str, NDArray[np.generic]]:
        names = [port.name for port in self.file.outputs]
        try:
            with self._torch.inference_mode():
                if self._events is not None:
                    self._events[0].record()
                image = self._torch.from_numpy(np.ascontiguousarray(image_nhwc)).to(self._where)
                answer = self._program(image)
                parts = answer if isinstance(answer, tuple) else (answer,)
                found = [part.to("cpu").numpy() for part in parts]
                self._read_events()
        except Exception as error:  # PyTorch and its compilers raise many kinds
            raise EngineError(f"PyTorch failed: {_first_line(error)}") from error
        return dict(zip(names, found, strict=True))

    def _read_events(self) -> None:
        if self._events is not None:
            before, after = self._events
            after.record()
            after.synchronize()
            self.gpu_ms = float(before.elapsed_time(after))


class CompiledEngine(PyTorchEngine):
    """Runs the program through torch.compile, which is done when it is loaded.

    On a CPU that is work for the C++ compiler: some ten small programs that try the processor's
    instructions, then the kernels. Both are kept in PyTorch's own cache for the next process. Who
    opens it sets a time limit; benchmarks do (`--timeout`).

    Arguments and errors as for `PyTorchEngine`; EngineError where compiling fails.
    """

    name = "torch-compile"

    def __init__(self, file: ModelFile, *, threads: int | None = None) -> None:
        super().__init__(file, threads=threads)
        size = file.spec.input
        begin = time.perf_counter()
        self._run(np.zeros((1, size.height, size.width, 3), np.uint8))
        self.compile_s = time.perf_counter() - begin

    @property
    def device(self) -> str:
        """Where it runs, and how long compiling took."""
        return f"{super().device}, compiled in {self.compile_s:.1f} s"

    def _prepared(self, program: Any) -> Any:  # noqa: ANN401
        return self._torch.compile(program, dynamic=False)


def _program_path(model: Path) -> Path:
    path = model.with_suffix(".pt2")
    if not path.is_file():
        raise ModelFileError(
            f"{path}: no such file; write it with `python -m maskattn_export.program CHECKPOINT "
            f"{path.name}`"
        )
    return path


def _load(torch: Any, path: Path, where: Any) -> Any:  # noqa: ANN401
    """The program on its device: constants that were traced on the CPU are moved too."""
    try:
        program = torch.export.load(path)
        if where.type != "cpu":
            passes: Any = importlib.import_module("torch.export.passes")
            program = passes.move_to_device_pass(program, where)
        return program.module().to(where)
    except Exception as error:  # its exception types are not public
        raise ModelFileError(f"{path}: PyTorch refuses it: {_first_line(error)}") from error


def _first_line(error: Exception) -> str:
    lines = str(error).strip().splitlines()
    return lines[0] if lines else type(error).__name__
