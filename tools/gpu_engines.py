"""Build the engines of model files on this GPU and time them; JSON on stdout.

    python tools/gpu_engines.py [--cache DIR] [MODEL.onnx ...]
    python tools/gpu_engines.py --show FILE.json      the table of such JSON, or of gpu-check.json

The shipped model is taken if none is named. Engines are built anew, or taken from DIR, whose
timings make builds shorter too. All are opened, then timed in turns. Every frame goes from a uint8
image in host memory to its labels in host memory. The bare loop starts the same graph again and
waits for it: no image, no answer.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections.abc import Callable
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from maskattn_benchmarks.candidate import model_names
from maskattn_edge.contract.errors import MaskAttnError
from maskattn_edge.contract.model_file import ModelFile, read_model_file
from maskattn_edge.engines.tensorrt import (
    BuildOptions,
    CachedEngine,
    EngineCache,
    PlanEngine,
    build_engine,
    plan_layer_times,
    this_machine,
)
from maskattn_edge.latency import LatencySettings, time_frames
from maskattn_edge.models import default_model

WAYS: dict[str, dict[str, bool]] = {
    "graph": {},
    "copies": {"in_place": False},
    "enqueue": {"graph": False},
}
"""How a frame is run: as the product does it, with copies of image and labels, without a graph."""

ROUNDS = 4
TURN = LatencySettings(warmup_frames=100, min_frames=500, min_seconds=0.5)
GPU_FRAMES = 500

Loop = Callable[[], object]
Built = dict[str, tuple[ModelFile, CachedEngine]]


def built(models: list[Path], cache: EngineCache) -> tuple[Built, list[dict[str, Any]]]:
    """Engines by the models' names; and a result with the reason for each that has none."""
    engines: Built = {}
    failed: list[dict[str, Any]] = []
    for path, name in zip(models, model_names(models), strict=True):
        try:
            file = read_model_file(path)
            engines[name] = file, build_engine(file, BuildOptions(), cache, this_machine()).engine
        except MaskAttnError as error:
            failed.append({"model": name, "error": str(error)})
    return engines, failed


def measured(engines: Built) -> list[dict[str, Any]]:
    """Per model its sidecar, its layers, and milliseconds of a frame in each way."""
    with ExitStack() as held:
        opened = {
            (name, way): held.enter_context(PlanEngine(file, engine.plan, **how))
            for name, (file, engine) in engines.items()
            for way, how in WAYS.items()
        }
        times = in_turns({key: loops(engine) for key, engine in opened.items()})
        return [
            {
                "model": name,
                "sidecar": msgspec.to_builtins(engine.sidecar),
                "layers": [
                    {"name": layer.name, "ms": round(layer.frame_ms, 5)}
                    for layer in plan_layer_times(engine.plan)
                ],
                **{way: facts(opened[name, way], times[name, way]) for way in WAYS},
            }
            for name, (_, engine) in engines.items()
        ]


def loops(engine: PlanEngine) -> dict[str, Loop]:
    """A frame as users run it, and one of the bare loop."""
    return {"infer": partial(engine.infer, _blank(engine)), "bare": engine.replay}


def in_turns(all_loops: dict[Any, dict[str, Loop]]) -> dict[Any, dict[str, np.ndarray]]:
    """Milliseconds of every frame of every loop: a GPU's clocks do not favour one of them."""
    turns: dict[Any, dict[str, list[np.ndarray]]] = {
        key: {name: [] for name in named} for key, named in all_loops.items()
    }
    for _ in range(ROUNDS):
        for key, named in all_loops.items():
            for name, loop in named.items():
                turns[key][name].append(time_frames(loop, TURN))
    return {
        key: {name: np.concatenate(parts) for name, parts in named.items()}
        for key, named in turns.items()
    }


def facts(engine: PlanEngine, times: dict[str, np.ndarray]) -> dict[str, Any]:
    """What one way of running an engine took."""
    engine.measure_gpu()  # after the times: marks on the stream take some of their own
    image = _blank(engine)
    gpu = [_gpu_ms(engine, image) for _ in range(GPU_FRAMES)]
    return {
        "device": engine.device,
        "captured": engine.uses_graph,
        "frames": len(times["infer"]),
        **{
            f"p{rank}_ms": round(float(np.percentile(times["infer"], rank)), 4)
            for rank in (50, 90, 99, 99.9)
        },
        "bare_p50_ms": round(float(np.median(times["bare"])), 4),
        "gpu_p50_ms": round(float(np.median(gpu)), 4),
    }


def _blank(engine: PlanEngine) -> np.ndarray:
    return np.zeros((1, engine.spec.input.height, engine.spec.input.width, 3), np.uint8)


def _gpu_ms(engine: PlanEngine, image: np.ndarray) -> float:
    engine.infer(image)
    return engine.gpu_ms or float("nan")


HEADINGS = ("model", "precision", "build s", "layers", "graph p50 ms", "p90", "p99", "p99.9",
            "bare loop p50 ms", "infer / bare", "GPU p50 ms", "with copies p50 ms",
            "enqueue p50 ms", "p99", "activations MB", "plan MB", "labels equal, %")  # fmt: skip


def shown(results: list[dict[str, Any]]) -> str:
    """The results as a Markdown table; a model that failed is a row with the reason."""
    lines = [f"| {' | '.join(HEADINGS)} |", f"|{'---|' * len(HEADINGS)}"]
    for result in results:
        cells = _cells(result)
        lines.append(f"| {' | '.join([*cells, *[''] * (len(HEADINGS) - len(cells))])} |")
    devices = {f"{found['device']}, driver {found['driver']}, TensorRT {found['tensorrt']}"
               for result in results if "sidecar" in result
               for found in [result["sidecar"]["fingerprint"]]}  # fmt: skip
    return "\n".join([*lines, "", *sorted(devices)])


def _cells(result: dict[str, Any]) -> list[str]:
    model = str(result["model"]).replace("|", "\\|")
    if "error" in result:
        return [model, f"failed: {' '.join(str(result['error']).split())}".replace("|", "\\|")]
    side, graph, enqueue = result["sidecar"], result["graph"], result["enqueue"]
    made, bare = side["measured"], graph.get("bare_p50_ms")
    captured = "" if graph["captured"] else " (no graph)"
    return [
        model, side["precision"], f"{made['build_s']:.1f}", str(made["layers"]),
        f"{graph['p50_ms']:.3f}{captured}",
        *(_ms(graph, key) for key in ("p90_ms", "p99_ms", "p99.9_ms", "bare_p50_ms")),
        f"{graph['p50_ms'] / bare:.2f}" if bare else "",
        _ms(graph, "gpu_p50_ms"), _ms(result.get("copies", {}), "p50_ms"),
        _ms(enqueue, "p50_ms"), _ms(enqueue, "p99_ms"),
        f"{made['activation_bytes'] / 1e6:.2f}", f"{side['plan_bytes'] / 1e6:.2f}",
        f"{100 * side['agreement']['labels']:.2f}",
    ]  # fmt: skip


def _ms(times: dict[str, Any], key: str) -> str:
    """Nothing for what older results do not have."""
    return f"{times[key]:.3f}" if key in times else ""


def main() -> int:
    """All models; one without an engine is named with its reason."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--show", type=Path, metavar="FILE", help="print the table of such JSON")
    parser.add_argument("--cache", type=Path, metavar="DIR", help="of engines and timings")
    parser.add_argument("models", nargs="*", type=Path, default=[default_model()])
    chosen = parser.parse_args()
    if chosen.show is not None:
        found = json.loads(chosen.show.read_text())
        print(shown(found["engines"] if isinstance(found, dict) else found))
        return 0
    with tempfile.TemporaryDirectory() as folder:
        engines, failed = built(chosen.models, EngineCache(chosen.cache or Path(folder)))
    try:
        results = measured(engines)
    except MaskAttnError as error:  # of the device that all share: no time is to be trusted
        results = []
        failed.append({"model": ", ".join(engines), "error": str(error)})
    json.dump(results + failed, sys.stdout, indent=2)
    print()
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
