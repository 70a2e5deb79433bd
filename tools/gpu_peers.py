"""Engines and peers on this GPU in one interleaved run; `gpu_peers.sh` calls it step by step.

    python tools/gpu_peers.py build FOLDER MODEL.onnx...      engines, several at a time, bounded
    python tools/gpu_peers.py measure FOLDER MODEL.onnx...    one interleaved run of all
    python tools/gpu_peers.py --show FOLDER                   the table, Markdown

FOLDER holds `builds.json`, one entry per model with its engine's sidecar or the reason why there is
none, and `results.json`, which `maskattn-edge compare` reads too.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any

import msgspec

from maskattn_benchmarks.benchmark import benchmark_candidates
from maskattn_benchmarks.candidate import Candidate, model_names
from maskattn_benchmarks.cells import NOT_MEASURED, Table, ms
from maskattn_benchmarks.files import write_reports
from maskattn_benchmarks.markdown import table_text
from maskattn_benchmarks.peers.table import installed_engines
from maskattn_benchmarks.percentiles import percentile
from maskattn_benchmarks.results import Report, Run, read_results
from maskattn_benchmarks.settings import BenchmarkSettings
from maskattn_edge.contract.atomic import write_bytes
from maskattn_edge.contract.errors import MaskAttnError
from maskattn_edge.contract.model_file import read_model_file
from maskattn_edge.latency import LatencySettings

PUBLISHED = ("--opt-level", "0", "--workspace", "16384")
"""Builder's options for the published network: at the usual level it takes many minutes, and with
the usual scratch memory its attention over 16,384 positions has no implementation."""

FRAMES = 1000  # as many as p99.9 needs


def built(path: Path, name: str, seconds: float) -> dict[str, Any]:
    """Build and verify one engine in a process of its own; its sidecar, or the reason."""
    options = PUBLISHED if name == "published" else ()
    command = [sys.executable, "-m", "maskattn_edge", "build", str(path), *options]
    begin = time.monotonic()
    process = subprocess.Popen(
        command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
        start_new_session=True,
    )  # fmt: skip
    try:
        _, said = process.communicate(timeout=max(seconds, 1.0))
    except subprocess.TimeoutExpired:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
        return {"model": name, "error": f"not built within {time.monotonic() - begin:.0f} s"}
    if process.returncode:
        lines = said.strip().splitlines() or [f"exit code {process.returncode}"]
        return {"model": name, "error": lines[-1].removeprefix("error: ")}
    return {"model": name, "sidecar": sidecar_of(path)}


def sidecar_of(path: Path) -> dict[str, Any]:
    """Of the engine that was built last for a model file."""
    from maskattn_edge.engines.tensorrt import EngineCache, ready_engine, this_machine

    engine = ready_engine(read_model_file(path), EngineCache(None), this_machine())
    found: dict[str, Any] = msgspec.to_builtins(engine.sidecar)
    return found


def build(folder: Path, models: list[Path], *, seconds: float, jobs: int) -> None:
    """Build all within so many seconds together, `jobs` at a time; builds.json grows with each."""
    end = time.monotonic() + seconds
    names = model_names(models)
    entries: list[dict[str, Any]] = []
    with ThreadPoolExecutor(jobs) as pool:
        for entry in pool.map(
            lambda pair: built(pair[0], pair[1], end - time.monotonic()),
            zip(models, names, strict=True),
        ):
            entries.append(entry)
            text = json.dumps({"jobs": jobs, "engines": entries}, indent=2)
            write_bytes(folder / "builds.json", text.encode() + b"\n")


def candidates(folder: Path, models: list[Path]) -> list[Candidate]:
    """All with TensorRT; the first also bare, with ONNX Runtime and with PyTorch, as it has them.

    A model whose engine was not built is a row with the reason; PyTorch runs the first of the
    models that has a program beside it.
    """
    reasons = _reasons(folder)
    names = model_names(models)
    made = [
        Candidate(path, "tensorrt", called=name, not_run=reasons.get(name, ""))
        for path, name in zip(models, names, strict=True)
    ]
    first, name = models[0], names[0]
    made.append(Candidate(first, "tensorrt-bare", called=name, not_run=reasons.get(name, "")))
    cuda = "onnxruntime-cuda"
    lacking = "" if cuda in installed_engines() else "ONNX Runtime here has no CUDA provider"
    made.append(Candidate(first, cuda, called=name, not_run=lacking))
    programs = [pair for pair in zip(models, names, strict=True)
                if pair[0].with_suffix(".pt2").is_file()]  # fmt: skip
    path, name = programs[0] if programs else (first, name)
    without = "" if programs else "no model has a PyTorch program (.pt2) beside it"
    return [*made, Candidate(path, "pytorch", called=name, not_run=without)]


def _reasons(folder: Path) -> dict[str, str]:
    entries = json.loads((folder / "builds.json").read_text())["engines"]
    return {entry["model"]: entry["error"] for entry in entries if "error" in entry}


def measure(folder: Path, models: list[Path], *, seconds: float) -> None:
    """One interleaved run, `seconds` at most for each; results.json and the reports."""
    settings = BenchmarkSettings(
        latency=LatencySettings(warmup_frames=100, min_frames=FRAMES, min_seconds=0),
        interleave=True, max_seconds=seconds, block_seconds=0.5, starts=0, timeout_s=60.0,
    )  # fmt: skip
    benchmark_candidates(
        candidates(folder, models), settings, results=folder / "results.json",
        on_step=lambda step: print(step, file=sys.stderr, flush=True),
        on_end=lambda report: write_reports(folder, report),
    )  # fmt: skip


def table(folder: Path) -> Table:
    """What was built and measured, one row per run."""
    report = read_results(folder / "results.json")
    builds = json.loads((folder / "builds.json").read_text())
    sidecars = {entry["model"]: entry.get("sidecar") for entry in builds["engines"]}
    facts = report.conditions.facts
    return Table(
        title=f"Engines and peers, {facts.get('GPU', 'no GPU')}, {report.started[:10]}",
        headings=(
            "run", "precision", "build s", "layers", "GPU ms", "engine p50 ms", "p99", "p99.9",
            "with scaling p50 ms", "camera to labels p50 ms", "activations MB", "plan MB",
            "mJ per frame", "state",
        ),
        rows=tuple(
            _row(run, sidecars.get(run.name.rpartition("/")[0]) or {}) for run in report.runs
        ),
        note=_note(report, builds["jobs"]),
    )  # fmt: skip


def _row(run: Run, sidecar: dict[str, Any]) -> tuple[str, ...]:
    own = sidecar if run.engine.startswith("tensorrt") else {}
    measured = own.get("measured", {})
    engine = run.steady.of("engine")
    tail = ["" if len(engine) < needed else ms(percentile(engine, rank))
            for rank, needed in ((500, 1), (990, 1), (999, 1000))]  # fmt: skip
    longer = [run.steady.of(span) for span in ("host_to_host", "frame_to_labels")]
    activations, joules = run.activations_mib.value, [e.per_frame_mj for e in run.energy]
    cells = (
        f"{measured['build_s']:.1f}" if measured else "",
        str(measured["layers"]) if measured else "",
        ms(percentile(_array(run), 500)) if run.steady.gpu else "",
        *tail,
        *(ms(percentile(span, 500)) if len(span) else "" for span in longer),
        "" if activations is None else f"{activations * 2**20 / 1e6:.2f}",
        f"{own['plan_bytes'] / 1e6:.2f}" if own else "",
        f"{joules[0]:.1f}" if joules and joules[0] is not None else "",
    )
    return (run.name, run.precision or "unknown", *(cell or NOT_MEASURED for cell in cells),
            _state(run, own))  # fmt: skip


def _array(run: Run) -> Any:  # noqa: ANN401 - an array, as numpy makes it
    import numpy as np

    return np.array(run.steady.gpu)


def _state(run: Run, sidecar: dict[str, Any]) -> str:
    if run.failure or run.not_run:
        return f"failed: {run.failure}" if run.failure else f"not run: {run.not_run}"
    state = "complete" if run.complete and not run.bounded else f"{len(run.steady)} frames"
    if not sidecar:
        return state
    level = sidecar["fingerprint"]["options"]["opt_level"]
    agreement = sidecar["agreement"]
    said = f"labels equal {100 * agreement['labels']:.2f} % to {agreement['reference']}"
    return f"{state}; level {level}; {said}"


def _note(report: Report, jobs: int) -> str:
    meters = {energy.meter for run in report.runs for energy in run.energy}
    energy = f"Energy: {', '.join(sorted(meters))}" if meters else "Energy: no meter"
    return (
        "One interleaved run. Engine: an image of the network's size to its labels, both in the "
        f"host's memory; with scaling: from a frame's pixels. {energy}, decoding "
        f"and enlarging included. Engines were built {jobs} at a time."
    )


def main() -> int:
    """One step; returns the exit status."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--show", type=Path, metavar="FOLDER", help="print the table of a folder")
    parser.add_argument("step", nargs="?", choices=("build", "measure"))
    parser.add_argument("folder", nargs="?", type=Path)
    parser.add_argument("models", nargs="*", type=Path)
    parser.add_argument("--seconds", type=float, default=100.0, help="for all builds, or a run")
    parser.add_argument("--jobs", type=int, default=1, help="builds at a time")
    chosen = parser.parse_args()
    if chosen.show is None and not chosen.models:
        parser.error("build and measure need FOLDER and MODEL.onnx")
    try:
        if chosen.show is not None:
            print(table_text(table(chosen.show)))
        elif chosen.step == "build":
            build(chosen.folder, chosen.models, seconds=chosen.seconds, jobs=chosen.jobs)
        else:
            measure(chosen.folder, chosen.models, seconds=chosen.seconds)
    except MaskAttnError as error:
        print(f"error: {error}", file=sys.stderr)
        return error.exit_code
    except FileNotFoundError as error:
        print(f"error: {error.filename}: no such file; call `build` first", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("error: interrupted: what was measured is kept, marked incomplete", file=sys.stderr)
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
