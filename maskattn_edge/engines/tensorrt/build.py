"""An engine for this device: from the cache, or built, verified and only then installed."""

from __future__ import annotations

import hashlib
import time
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from maskattn_edge.contract.errors import EngineError, ModelFileError
from maskattn_edge.contract.model_file import ModelFile
from maskattn_edge.engines.tensorrt.builder import OnStep
from maskattn_edge.engines.tensorrt.cache import CachedEngine, EngineCache, Miss, plan_name
from maskattn_edge.engines.tensorrt.fingerprint import BuildOptions, Fingerprint, fingerprint
from maskattn_edge.engines.tensorrt.preflight import check_memory
from maskattn_edge.engines.tensorrt.request import BuildRequest, Built
from maskattn_edge.engines.tensorrt.sidecar import Measured, Sidecar
from maskattn_edge.engines.tensorrt.toolchain import Examined, Toolchain
from maskattn_edge.engines.tensorrt.verification import check


@dataclass(frozen=True, kw_only=True)
class BuildResult:
    """An engine that may be loaded.

    `rebuilt` says why it was built now; None if it came from the cache.
    """

    engine: CachedEngine
    rebuilt: str | None


def build_engine(
    file: ModelFile,
    options: BuildOptions,
    cache: EngineCache,
    tools: Toolchain,
    *,
    force: bool = False,
    explain: bool = False,
    on_step: OnStep | None = None,
) -> BuildResult:
    """The engine of that model with those options.

    Args:
        file: the model.
        options: for the builder.
        cache: looked into first, and written to.
        tools: the machine.
        force: build even if the cache has it.
        explain: of a refused engine, find the layer that departs first: a build for each of some
            seven probes.
        on_step: told (phase, done, total).

    Raises:
        EngineError: memory is short, the build failed or was killed, the disk is full.
        EngineVerificationError: the engine answers otherwise than the model.
        ModelFileError: TensorRT's parser refuses the model.
    """
    wanted = fingerprint(file.sha256, tools.tensorrt, tools.device, options)
    with cache.building(wanted) as temporary:
        found = cache.find(wanted)  # under the lock: another process may just have built it
        if isinstance(found, CachedEngine) and not force:
            return BuildResult(engine=found, rebuilt=None)
        check_memory(tools.memory(), model_bytes=len(file.data), workspace_mb=options.workspace_mb)
        built, seconds = _build(file, wanted, cache, tools, temporary, on_step)
        plan = _read_plan(temporary)
        if on_step is not None:
            on_step("comparing answers", 0, 0)
        examined = tools.examine(file, plan, options.dla)
        where = None
        if explain and tools.explain is not None:
            where = partial(tools.explain, file, options, on_step)
        check(examined.agreement, file.spec.precision.name, where=where)
        sidecar = _sidecar(file, wanted, plan, built, seconds, examined)
        path = cache.install(temporary, sidecar)
    reason = found.reason if isinstance(found, Miss) else "it was asked for"
    return BuildResult(engine=CachedEngine(path=path, plan=plan, sidecar=sidecar), rebuilt=reason)


def _build(
    file: ModelFile,
    wanted: Fingerprint,
    cache: EngineCache,
    tools: Toolchain,
    temporary: Path,
    on_step: OnStep | None,
) -> tuple[Built, float]:
    request = BuildRequest(
        onnx=file.data,
        options=wanted.options,
        plan=str(temporary),
        timing=cache.read_timing(wanted),
    )
    start = time.perf_counter()
    try:
        built = tools.build(request, on_step)
    except ModelFileError as error:
        raise ModelFileError(f"{file.path}: {error}") from error
    seconds = time.perf_counter() - start
    if built.timing:
        cache.write_timing(wanted, built.timing)
    return built, seconds


def _read_plan(path: Path) -> bytes:
    try:
        plan = path.read_bytes()
    except OSError as error:
        raise EngineError(f"{path}: the build left no plan ({error.strerror})") from error
    if not plan:
        raise EngineError(f"{path}: the build left an empty plan: is the disk full?")
    return plan


def _sidecar(
    file: ModelFile,
    wanted: Fingerprint,
    plan: bytes,
    built: Built,
    seconds: float,
    examined: Examined,
) -> Sidecar:
    digest = hashlib.sha256(plan).hexdigest()
    return Sidecar(
        model=file.spec.name,
        precision=file.spec.precision.name,
        plan=plan_name(wanted, digest),
        plan_sha256=digest,
        plan_bytes=len(plan),
        fingerprint=wanted,
        measured=Measured(
            build_s=round(seconds, 3),
            peak_host_bytes=built.peak_host_bytes,
            activation_bytes=examined.activation_bytes,
            layers=examined.layers,
        ),
        agreement=examined.agreement,
        built_at=time.time(),
    )
