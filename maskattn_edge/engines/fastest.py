"""`--engine fastest`: measure what loads here, once per device and model, and remember it.

What is remembered lies in a file of its own, named after all that decides it: the model's SHA-256,
the processor and the cores that may be used, the GPU and its driver, and the versions of this
package and of every back end. When any of it changes, there is no such file, and it is measured
again.
"""

from __future__ import annotations

import hashlib
import os
import platform
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack, suppress
from datetime import datetime, timezone
from importlib import metadata
from itertools import count
from pathlib import Path
from typing import Annotated

import msgspec
import numpy as np

from maskattn_edge._version import __version__
from maskattn_edge.contract.atomic import write_bytes
from maskattn_edge.contract.errors import EngineError, MaskAttnError
from maskattn_edge.contract.model_file import ModelFile
from maskattn_edge.engines.engine import Engine
from maskattn_edge.engines.gpu import gpu_facts
from maskattn_edge.engines.samples import sample_images

SECONDS = 2.0
"""How long all engines together are measured."""

_BLOCK = 5  # frames of each engine in turn, so that what disturbs one disturbs all
_WARM_UP = 3
_MAX_BYTES = 65536
_PACKAGES = ("onnxruntime", "onnxruntime-gpu", "openvino", "tensorrt")
_CPU_INFO = Path("/proc/cpuinfo")

_Name = Annotated[str, msgspec.Meta(max_length=64)]


class Measured(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What was found: median milliseconds of each engine that loaded, and when.

    `conditions` are what the file's name stands for, for whoever reads it.
    """

    engine: _Name
    median_ms: Annotated[dict[_Name, float], msgspec.Meta(min_length=1, max_length=32)]
    measured_at: Annotated[str, msgspec.Meta(max_length=64)]
    conditions: dict[str, str]

    def __str__(self) -> str:
        """As in `openvino 3.1 ms, onnxruntime 4.4 ms`."""
        order = sorted(self.median_ms.items(), key=lambda item: item[1])
        return ", ".join(f"{name} {value:.2f} ms" for name, value in order)


def measure(
    file: ModelFile,
    engines: Mapping[str, Engine],
    *,
    seconds: float,
    clock: Callable[[], float] = time.perf_counter,
) -> dict[str, float]:
    """Median milliseconds of each engine on the model's own samples.

    Args:
        file: the model.
        engines: by name, opened.
        seconds: for all of them together; each gets one block at least.
        clock: seconds, monotonic.
    """
    images = [image[np.newaxis] for image in sample_images(file)]
    samples: dict[str, list[float]] = {name: [] for name in engines}
    for engine in engines.values():
        for _ in range(_WARM_UP):
            engine.infer(images[0])
    end = clock() + seconds
    for turn in count():
        for name, engine in engines.items():
            for place in range(_BLOCK):
                before = clock()
                engine.infer(images[(turn * _BLOCK + place) % len(images)])
                samples[name].append((clock() - before) * 1e3)
        if clock() >= end:
            break
    return {name: float(np.median(values)) for name, values in samples.items()}


def conditions(file: ModelFile, threads: int | None) -> dict[str, str]:
    """All that decides which engine is the fastest."""
    try:
        gpu = gpu_facts()
        device = f"{gpu.name}, SM {gpu.sm}, driver {gpu.driver}"
    except EngineError:
        device = "none"
    cores = sorted(os.sched_getaffinity(0))
    return {
        "model_sha256": file.sha256,
        "processor": _processor(),
        "cores": str(len(cores)),
        "threads": str(threads or len(cores)),
        "gpu": device,
        "maskattn-edge": __version__,
        **{name: _version(name) for name in _PACKAGES},
    }


class Memory:
    """The files in which winners are remembered; `folder` is the user's cache folder if None."""

    def __init__(self, folder: Path | None = None) -> None:
        self._folder = (folder or Path.home() / ".cache" / "maskattn-edge") / "fastest"

    def path(self, facts: Mapping[str, str]) -> Path:
        """Where what was found under these conditions lies."""
        text = msgspec.json.encode(dict(facts), order="sorted")
        return self._folder / f"{hashlib.sha256(text).hexdigest()[:32]}.json"

    def recall(self, facts: Mapping[str, str]) -> Measured | None:
        """What was found under exactly these conditions; None if nothing, or nothing readable."""
        with suppress(OSError, msgspec.MsgspecError):
            with self.path(facts).open("rb") as stored:
                found = msgspec.json.decode(stored.read(_MAX_BYTES), type=Measured)
            if found.conditions == dict(facts) and found.engine in found.median_ms:
                return found
        return None

    def keep(self, found: Measured) -> None:
        """Remember it. A disk that cannot be written costs a measurement, not the run."""
        with suppress(OSError):
            write_bytes(
                self.path(found.conditions), msgspec.json.format(msgspec.json.encode(found))
            )


def open_fastest(
    file: ModelFile,
    open_named: Mapping[str, Callable[[], Engine]],
    *,
    threads: int | None,
    cache: Path | None,
    on_skip: Callable[[str, str], None],
    on_note: Callable[[str], None],
) -> Engine:
    """The remembered winner, or the winner of a new measurement.

    Args:
        file: the model.
        open_named: opens each back end, by name.
        threads: CPU threads per frame, part of the conditions.
        cache: the cache folder.
        on_skip: told (engine, reason) of those that do not load.
        on_note: told in one line what was measured or remembered.

    Raises:
        EngineError: no engine loads.
    """
    memory, facts = Memory(cache), conditions(file, threads)
    found = memory.recall(facts)
    if found is not None and found.engine in open_named:
        try:
            engine = open_named[found.engine]()
        except MaskAttnError as error:
            on_skip(found.engine, str(error))
        else:
            on_note(f"fastest: {found}; remembered from {found.measured_at[:10]}")
            return engine
    with ExitStack() as stack:
        engines = _open_all(file, open_named, stack, on_skip)
        medians = measure(file, engines, seconds=SECONDS)
        winner = min(medians, key=lambda name: medians[name])
        found = Measured(
            engine=winner,
            median_ms={name: round(value, 4) for name, value in medians.items()},
            measured_at=datetime.now(timezone.utc).isoformat(timespec="seconds"),
            conditions=facts,
        )
        memory.keep(found)
        on_note(f"fastest: {found}; median on the model's samples, {SECONDS:g} s in all")
        _close_others(engines, winner)
        stack.pop_all()
        return engines[winner]


def _open_all(
    file: ModelFile,
    open_named: Mapping[str, Callable[[], Engine]],
    stack: ExitStack,
    on_skip: Callable[[str, str], None],
) -> dict[str, Engine]:
    engines: dict[str, Engine] = {}
    for name, open_one in open_named.items():
        try:
            engines[name] = stack.enter_context(open_one())
        except MaskAttnError as error:
            on_skip(name, str(error))
    if not engines:
        raise EngineError(f"{file.path}: no engine can run it here (tried {', '.join(open_named)})")
    return engines


def _close_others(engines: Mapping[str, Engine], winner: str) -> None:
    for name, engine in engines.items():
        if name != winner:
            engine.close()


def _version(package: str) -> str:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return "none"


def _processor() -> str:
    with suppress(OSError):
        for line in _CPU_INFO.read_text(errors="replace").splitlines():
            if line.startswith(("model name", "Model")):
                return line.partition(":")[2].strip()
    return platform.machine()
