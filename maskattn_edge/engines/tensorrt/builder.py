"""From ONNX to a plan, with TensorRT's builder: one code path for TensorRT 10.3 to 11.

Networks are strongly typed: precision lies in the file alone, no precision flag is set. What a
version does not have is found by looking, not by its number. The same code drives TensorRT for
RTX, whose builder and parser are the same.

Source: docs.nvidia.com/deeplearning/tensorrt, "Strongly Typed Networks", "Migrating to 11.x"
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from types import ModuleType
from typing import Any

from maskattn_edge.contract.errors import EngineError, ModelFileError
from maskattn_edge.engines.tensorrt.fingerprint import BuildOptions
from maskattn_edge.engines.tensorrt.library import collecting_logger

OnStep = Callable[[str, int, int], None]
"""Told (phase, steps done, steps in all)."""


@dataclass(frozen=True, kw_only=True)
class Plan:
    """A serialized engine, the builder's timings, and what its log said."""

    data: bytes
    timing: bytes
    log: tuple[str, ...]


class Builder:
    """Parses one model file and builds its plan.

    Args:
        trt: the module `tensorrt`.
        onnx: the bytes of the model file.

    Raises:
        ModelFileError: the parser refuses the file.
    """

    def __init__(self, trt: ModuleType, onnx: bytes) -> None:
        self._trt = trt
        self._logger = collecting_logger(trt)
        self._builder: Any = trt.Builder(self._logger)
        typed = getattr(trt.NetworkDefinitionCreationFlag, "STRONGLY_TYPED", None)
        self.network: Any = self._builder.create_network(0 if typed is None else 1 << int(typed))
        parser = trt.OnnxParser(self.network, self._logger)
        if not parser.parse(onnx):
            raise ModelFileError(f"TensorRT refuses it: {self._parser_error(parser)}")

    def build(
        self, options: BuildOptions, *, timing: bytes = b"", on_step: OnStep | None = None
    ) -> Plan:
        """Choose kernels by trying them on this device.

        Args:
            options: level, workspace, DLA.
            timing: of former builds; foreign or damaged ones are left out.
            on_step: told how the builder's phases go; if it raises, the build is cancelled.

        Raises:
            EngineError: the device lacks what is asked for, or no engine comes out.
        """
        config = self._builder.create_builder_config()
        config.builder_optimization_level = options.opt_level
        workspace = self._trt.MemoryPoolType.WORKSPACE
        config.set_memory_pool_limit(workspace, options.workspace_mb << 20)
        if options.dla is not None:
            self._use_dla(config, options.dla)
        if on_step is not None and hasattr(self._trt, "IProgressMonitor"):
            config.progress_monitor = _monitor(self._trt, on_step)
        self._use_timing(config, timing)
        plan = self._builder.build_serialized_network(self.network, config)
        if plan is None:
            raise EngineError(_advise(self._last_error()))
        cache = config.get_timing_cache()
        return Plan(
            data=bytes(plan),
            timing=b"" if cache is None else bytes(cache.serialize()),
            log=tuple(self._logger.lines),
        )

    def _use_timing(self, config: Any, timing: bytes) -> None:  # noqa: ANN401
        cache = config.create_timing_cache(timing)
        if cache is None or not config.set_timing_cache(cache, False):
            config.set_timing_cache(config.create_timing_cache(b""), False)

    def _use_dla(self, config: Any, core: int) -> None:  # noqa: ANN401
        cores = self._builder.num_DLA_cores
        if core >= cores:
            raise EngineError(
                f"DLA core {core} is not there: this device and TensorRT {self._trt.__version__} "
                f"have {cores or 'none'}; leave --dla out to use the GPU"
            )
        config.default_device_type = self._trt.DeviceType.DLA
        config.DLA_core = core
        # The DLA knows neither attention nor argmax: without this no network of ours builds.
        config.set_flag(self._trt.BuilderFlag.GPU_FALLBACK)

    def _parser_error(self, parser: Any) -> str:  # noqa: ANN401
        for index in range(parser.num_errors):
            error = parser.get_error(index)
            return f"node {error.node()}: {_one_line(error.desc())}"
        return self._last_error()

    def _last_error(self) -> str:
        errors = self._logger.errors
        return _one_line(errors[-1]) if errors else "it gave no reason"


def _monitor(trt: ModuleType, on_step: OnStep) -> Any:  # noqa: ANN401 - a class made at run time
    class Monitor(trt.IProgressMonitor):  # type: ignore[misc,name-defined]
        def __init__(self) -> None:
            super().__init__()
            self._steps: dict[str, int] = {}

        def phase_start(self, phase_name: str, parent_phase: str | None, num_steps: int) -> None:
            self._steps[phase_name] = num_steps
            self._tell(phase_name, 0)

        def step_complete(self, phase_name: str, step: int) -> bool:
            return self._tell(phase_name, step + 1)

        def phase_finish(self, phase_name: str) -> None:
            self._tell(phase_name, self._steps.get(phase_name, 0))

        def _tell(self, phase: str, done: int) -> bool:
            """False cancels the build; an exception must not cross TensorRT's own frames."""
            try:
                on_step(phase, done, self._steps.get(phase, 0))
            except Exception:
                return False
            return True

    return Monitor()


def _advise(reason: str) -> str:
    if re.search(r"out ?of ?memory|OutOfMemory|cannot allocate", reason, re.IGNORECASE):
        return (
            f"TensorRT ran out of memory ({reason}): close other programs, or give a smaller "
            "--workspace"
        )
    if "find any implementation" in reason:  # of a node that wants more scratch memory, mostly
        return f"TensorRT built no engine: {reason}; give a larger --workspace or --opt-level"
    return f"TensorRT built no engine: {reason}"


def _one_line(text: str) -> str:
    return " ".join(text.split())[:300]
