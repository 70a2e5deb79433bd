"""Start-up and memory of a model on an engine, each time in a process of its own.

Run as `python -m maskattn_benchmarks.process MODEL ENGINE THREADS BORN`; prints one line of JSON.
Nothing heavy is imported before `main`, so that the imports can be timed.
"""

from __future__ import annotations

import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from maskattn_benchmarks.results import Memory, StartUp

FRAMES = 50
"""Frames after which resident memory is read: what an engine takes at work."""

SECONDS = 10.0
"""After which they end earlier: some peers take more than a second for a frame."""


@dataclass(frozen=True, kw_only=True)
class ProcessFigures:
    """Of one process. `gpu_used_mib` is what all processes used of the GPU while it worked."""

    startup: StartUp
    memory: Memory
    gpu_used_mib: float | None


def measure_process(
    model: Path, engine: str, threads: int | None, *, timeout_s: float = 120.0
) -> ProcessFigures:
    """Start a process, load the model, segment a grey picture, then `FRAMES` more.

    The total counts from before the process is made, on the clock that all processes share.

    Raises:
        EngineError: the process fails or takes longer than `timeout_s`.
    """
    import msgspec

    from maskattn_benchmarks.results import Memory, StartUp
    from maskattn_edge.contract.errors import EngineError

    command = [sys.executable, "-m", "maskattn_benchmarks.process", str(model), engine]
    try:
        done = subprocess.run(
            [*command, str(threads or 0), repr(time.monotonic())],
            capture_output=True,
            timeout=timeout_s,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise EngineError(f"{model.name} on {engine} needs more than {timeout_s:.0f} s") from error
    if done.returncode:
        lines = done.stderr.decode(errors="replace").strip().splitlines()
        said = lines[-1] if lines else f"exit code {done.returncode}"
        raise EngineError(f"a new process with {model.name} on {engine} failed: {said[:300]}")
    answer: dict[str, Any] = msgspec.json.decode(done.stdout)
    return ProcessFigures(
        startup=msgspec.convert(answer["startup"], StartUp),
        memory=msgspec.convert(answer["memory"], Memory),
        gpu_used_mib=answer["gpu_used_mib"],
    )


def main(arguments: list[str]) -> int:
    """Measure this process. `arguments`: model, engine, threads (0 for all), time of birth."""
    model, engine, threads, born = arguments
    begin = time.monotonic()
    import json

    import numpy as np

    from maskattn_benchmarks.nvml import open_nvml, used_mib
    from maskattn_benchmarks.peers.table import open_candidate
    from maskattn_edge.contract.errors import MaskAttnError
    from maskattn_edge.contract.model_file import read_model_file
    from maskattn_edge.pipeline.memory import resident_memory_mb

    imported = time.monotonic()
    before, _ = resident_memory_mb()
    try:
        file = read_model_file(Path(model))
        with open_candidate(file, engine, threads=int(threads) or None) as opened:
            size = opened.spec.input
            image = np.full((1, size.height, size.width, 3), 114, np.uint8)
            loaded = time.monotonic()
            opened.infer(image)
            first = time.monotonic()
            for _ in range(FRAMES):
                opened.infer(image)
                if time.monotonic() - first > SECONDS:
                    break
            resident, peak = resident_memory_mb()
            gpu_used_mib = used_mib(open_nvml()[0])
    except MaskAttnError as error:
        print(" ".join(str(error).split()), file=sys.stderr)
        return 1
    marks = {
        "total": first - float(born),
        "imports": imported - begin,
        "load": loaded - imported,
        "first": first - loaded,
    }
    startup = {name: round(1e3 * seconds, 3) for name, seconds in marks.items()}
    memory = {"before": before, "resident": resident, "peak": peak}
    print(json.dumps({"startup": startup, "memory": memory, "gpu_used_mib": gpu_used_mib}))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
