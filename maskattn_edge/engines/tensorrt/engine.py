"""TensorRT on this device's GPU: the engine is built when it is first needed, and kept."""

from __future__ import annotations

from pathlib import Path

from maskattn_edge.contract.errors import EngineError
from maskattn_edge.contract.model_file import ModelFile
from maskattn_edge.engines.tensorrt.build import build_engine
from maskattn_edge.engines.tensorrt.builder import OnStep
from maskattn_edge.engines.tensorrt.cache import CachedEngine, EngineCache, Miss
from maskattn_edge.engines.tensorrt.fingerprint import BuildOptions, fingerprint
from maskattn_edge.engines.tensorrt.plan_engine import PlanEngine
from maskattn_edge.engines.tensorrt.toolchain import Toolchain, this_machine


class TensorRTEngine(PlanEngine):
    """The model's engine on this device, from the cache; built and verified if it is not there.

    The engine of this model that was built last is taken, whatever its builder options were.

    Args:
        file: the model.
        threads: CPU threads; the GPU has no use for them.
        cache: where engines lie; the user's cache folder if None.
        on_step: told how a build goes, (phase, done, total).

    Raises:
        MissingDependencyError: TensorRT or cuda-bindings is not installed.
        ModelFileError: TensorRT's parser refuses the model.
        EngineError: there is no GPU, or the engine cannot be built, verified or loaded.
    """

    def __init__(
        self,
        file: ModelFile,
        *,
        threads: int | None = None,
        cache: Path | None = None,
        on_step: OnStep | None = None,
    ) -> None:
        tools, engines = this_machine(), EngineCache(cache)
        found = ready_engine(file, engines, tools, on_step)
        try:
            self._load(file, found)
        except EngineError:
            # Whole and fitting by its sidecar, yet refused: something under it changed.
            options = found.sidecar.fingerprint.options
            rebuilt = build_engine(file, options, engines, tools, force=True, on_step=on_step)
            self._load(file, rebuilt.engine)

    def _load(self, file: ModelFile, found: CachedEngine) -> None:
        super().__init__(file, found.plan, dla=found.sidecar.fingerprint.options.dla)


def ready_engine(
    file: ModelFile, cache: EngineCache, tools: Toolchain, on_step: OnStep | None = None
) -> CachedEngine:
    """The engine that was built last for this model on this device, or a new one.

    Raises:
        EngineError, ModelFileError: as `build_engine`.
    """
    options = BuildOptions()
    wanted = fingerprint(file.sha256, tools.tensorrt, tools.device, options)
    found = cache.find_any_options(wanted)
    if isinstance(found, Miss):
        if on_step is not None:
            on_step(f"building this device's engine, once: {found.reason}", 0, 0)
        return build_engine(file, options, cache, tools, on_step=on_step).engine
    return found
