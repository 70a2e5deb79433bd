"""One command for the comparison with peers: latency, memory, accuracy, and their plot.

`python -m maskattn_benchmarks.peers MODEL.onnx... --data DIR --report DIR` measures each model
and the peers in one interleaved run, on the same frames. The first model decides the classes and
the size that peers are made for. `--trained NAME=FILE.onnx` is a peer with the weights of that
file, which takes the place of the one with random weights; reports call it NAME.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from maskattn_benchmarks.benchmark import benchmark_candidates
from maskattn_benchmarks.candidate import Candidate, model_names
from maskattn_benchmarks.files import write_reports
from maskattn_benchmarks.peers.models import RANDOM_PEERS, write_random_peer
from maskattn_benchmarks.peers.table import ENGINES, check_engines, installed_engines
from maskattn_benchmarks.settings import BenchmarkSettings
from maskattn_edge.contract.errors import MaskAttnError, UsageError
from maskattn_edge.contract.model_file import read_model_file
from maskattn_edge.latency import LatencySettings
from maskattn_edge.optional import require

_TORCH = ("pytorch", "torch-compile")
_TOO_LARGE = "its attention takes gigabytes in PyTorch: it is run from its model file"


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, write the report, print where it is; returns the exit status."""
    chosen = _parser().parse_args(arguments)
    try:
        return _compare(chosen)
    except MaskAttnError as error:
        print(f"error: {error}", file=sys.stderr)
        return error.exit_code
    except KeyboardInterrupt:
        print("error: interrupted", file=sys.stderr)
        return 130


def _compare(chosen: argparse.Namespace) -> int:
    require("jinja2", purpose="the HTML report", extra="benchmark")
    engines = chosen.engine or [*installed_engines(), *_TORCH]
    check_engines(engines)
    candidates = [
        Candidate(path, engine, called=name, not_run=_not_run(name, path, engine))
        for name, path in _models(chosen, engines)
        for engine in engines
    ]
    report = benchmark_candidates(
        candidates, _settings(chosen), results=chosen.report / "results.json", on_step=_say,
        on_end=lambda report: write_reports(chosen.report, report),
    )  # fmt: skip
    print(f"report: {chosen.report / 'report.html'}")
    return 1 if any(run.failure for run in report.runs) else 0


def _models(chosen: argparse.Namespace, engines: list[str]) -> list[tuple[str, Path]]:
    """Names and files: those that are given, then the peers, made here where no file is named."""
    trained = dict(map(_named, chosen.trained))
    if len(trained) < len(chosen.trained):
        raise UsageError("two trained peers have the same NAME: give each one of its own")
    found = list(zip(model_names(chosen.models), chosen.models, strict=True))
    for name in [*RANDOM_PEERS, *(each for each in trained if each not in RANDOM_PEERS)]:
        found.append((name, trained.get(name) or _random(name, chosen, engines)))
    return found


def _not_run(name: str, path: Path, engine: str) -> str:
    """Why PyTorch does not run a model, which is no failure; empty where it does."""
    if engine not in _TORCH:
        return ""
    if name == "published":
        return _TOO_LARGE
    program = path.with_suffix(".pt2")
    return "" if program.is_file() else f"PyTorch has no program {program.name} beside the file"


def _random(name: str, chosen: argparse.Namespace, engines: list[str]) -> Path:
    path: Path = chosen.report / "models" / f"{name}.onnx"
    spec = read_model_file(chosen.models[0]).spec
    if spec.input.height != spec.input.width:
        raise UsageError(f"{chosen.models[0]}: peers are made for square inputs only")
    _say(f"{name}: writing its model file")
    program = name != "published" and any(engine in _TORCH for engine in engines)
    write_random_peer(
        name, path, classes=len(spec.classes), side=spec.input.height, program=program
    )
    return path


def _settings(chosen: argparse.Namespace) -> BenchmarkSettings:
    return BenchmarkSettings(
        latency=LatencySettings(
            warmup_frames=chosen.warmup, min_frames=chosen.frames, min_seconds=chosen.seconds
        ),
        interleave=True,
        max_seconds=chosen.max_seconds,
        block_seconds=chosen.block_seconds,
        threads=chosen.threads,
        source=chosen.source,
        starts=chosen.starts,
        timeout_s=chosen.timeout,
        data=chosen.data,
        split=chosen.split,
        limit=chosen.limit,
    )


def _named(text: str) -> tuple[str, Path]:
    name, equals, path = text.partition("=")
    if not equals or not name or not path:
        raise UsageError(f"a trained peer is NAME=FILE.onnx, got {text!r}")
    return name, Path(path)


def _say(step: str) -> None:
    print(step, file=sys.stderr, flush=True)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m maskattn_benchmarks.peers",
        description="Compare models with peers in one interleaved run.",
    )
    add = parser.add_argument
    add("models", nargs="+", type=Path, metavar="MODEL", help="model files (.onnx)")
    add(
        "--trained",
        action="append",
        default=[],
        metavar="NAME=FILE",
        help=f"a trained peer; the others of {', '.join(RANDOM_PEERS)} have random weights",
    )
    add(
        "--engine",
        action="append",
        metavar="NAME",
        help=f"of {', '.join(ENGINES)}; what is installed if not given",
    )
    add("--data", type=Path, metavar="DIR", help="data set to score on")
    add("--split", default="test", help="part of it")
    add("--limit", type=int, help="score at most so many images")
    add("--report", type=Path, default=Path("peers"), metavar="DIR", help="folder for the report")
    add("--source", default="synthetic://?frames=16", metavar="URI", help="frames, as in run")
    add("--frames", type=int, default=1000, help="timed frames of each, at least")
    add("--seconds", type=float, default=10.0, help="timed seconds of each, at least")
    add("--max-seconds", type=float, default=90.0, help="timed seconds of each, at most")
    add("--block-seconds", type=float, default=0.5, help="length of a slow candidate's block")
    add("--warmup", type=int, default=50, help="frames before the timed ones")
    add("--starts", type=int, default=1, help="processes to measure memory and start-up with")
    add("--threads", type=int, help="CPU threads per frame; all cores if not given")
    add(
        "--timeout",
        type=float,
        default=300.0,
        metavar="SECONDS",
        help="for any step of a candidate: loading, compiling, a block of frames",
    )
    return parser  # fmt: skip


if __name__ == "__main__":
    sys.exit(main())
