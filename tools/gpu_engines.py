"""Build the engines of model files on this GPU and time them; JSON on stdout.

    python tools/gpu_engines.py [MODEL.onnx ...]      the shipped model if none is named
    python tools/gpu_engines.py --show FILE.json      the table of such JSON, Markdown

Every frame goes from a uint8 image in host memory to its labels in host memory.
"""

from __future__ import annotations

import json
import sys
import tempfile
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from maskattn_edge.contract.errors import MaskAttnError
from maskattn_edge.contract.model_file import read_model_file
from maskattn_edge.engines.tensorrt import (
    BuildOptions,
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

TIMING = LatencySettings(warmup_frames=200, min_frames=2000, min_seconds=2.0)
GPU_FRAMES = 500


def measured(path: Path, cache: EngineCache) -> dict[str, Any]:
    """One model: its sidecar, and milliseconds of a frame with and without a graph."""
    file = read_model_file(path)
    engine = build_engine(file, BuildOptions(), cache, this_machine()).engine
    image = np.zeros((1, file.spec.input.height, file.spec.input.width, 3), np.uint8)
    facts: dict[str, Any] = {"model": path.name, "sidecar": msgspec.to_builtins(engine.sidecar)}
    layers = plan_layer_times(engine.plan)
    facts["layers"] = [{"name": one.name, "ms": round(one.frame_ms, 5)} for one in layers]
    for name, how in WAYS.items():
        with PlanEngine(file, engine.plan, **how) as opened:
            samples = time_frames(lambda e=opened: e.infer(image), TIMING)
            opened.measure_gpu()  # after the times: marks on the stream take some of their own
            gpu = [_gpu_ms(opened, image) for _ in range(GPU_FRAMES)]
            facts[name] = {
                "device": opened.device,
                "captured": opened.uses_graph,
                "frames": len(samples),
                **{f"p{q}_ms": round(float(np.percentile(samples, q)), 4) for q in (50, 90, 99)},
                "gpu_p50_ms": round(float(np.median(gpu)), 4),
            }
    return facts


def _gpu_ms(engine: PlanEngine, image: np.ndarray) -> float:
    engine.infer(image)
    return engine.gpu_ms or float("nan")


HEADINGS = ("model", "precision", "build s", "layers", "graph p50 ms", "p90", "p99",
            "GPU p50 ms", "with copies p50 ms", "enqueue p50 ms", "p99", "activations MB",
            "plan MB", "labels equal, %")  # fmt: skip


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
    copies = result.get("copies")  # older results have neither this nor the GPU's own time
    built = side["measured"]
    times = [
        graph["p50_ms"],
        graph["p90_ms"],
        graph["p99_ms"],
        enqueue["p50_ms"],
        enqueue["p99_ms"],
    ]
    captured = "" if graph["captured"] else " (no graph)"
    return [
        model, side["precision"], f"{built['build_s']:.1f}", str(built["layers"]),
        f"{times[0]:.3f}{captured}", *(f"{value:.3f}" for value in times[1:3]),
        f"{graph['gpu_p50_ms']:.3f}" if "gpu_p50_ms" in graph else "",
        f"{copies['p50_ms']:.3f}" if copies else "", *(f"{value:.3f}" for value in times[3:]),
        f"{built['activation_bytes'] / 1e6:.2f}", f"{side['plan_bytes'] / 1e6:.2f}",
        f"{100 * side['agreement']['labels']:.2f}",
    ]  # fmt: skip


def main() -> int:
    """Every model in turn; one that fails is named with its reason."""
    if sys.argv[1:2] == ["--show"]:
        print(shown(json.loads(Path(sys.argv[2]).read_text())))
        return 0
    results: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory() as folder:
        for path in [Path(name) for name in sys.argv[1:]] or [default_model()]:
            try:
                results.append(measured(path, EngineCache(Path(folder))))
            except MaskAttnError as error:
                results.append({"model": path.name, "error": str(error)})
    json.dump(results, sys.stdout, indent=2)
    print()
    return 1 if any("error" in result for result in results) else 0


if __name__ == "__main__":
    sys.exit(main())
