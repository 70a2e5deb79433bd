"""Measure what telling objects apart costs: a panoptic against a semantic network, CPU time.

    python models/studies/grouping_cost.py

Exports both with random weights, at 128x128 with 133 classes of which 80 are things, and runs them
in turn on one thread of each engine. Processor time is taken, not the clock's: a busy machine
counts less. Prints one line for each engine and network, with the ratio to the semantic one.
"""

from __future__ import annotations

import argparse
import platform
import sys
import time
from pathlib import Path
from statistics import median

import numpy as np
import torch

from maskattn_edge.contract.classes import numbered_classes
from maskattn_edge.contract.model_file import ModelFile, describe, parse_model
from maskattn_edge.contract.spec import InputSpec, ModelSpec, PrecisionSpec, Task
from maskattn_edge.engines import open_engine
from maskattn_export.graph import to_onnx
from maskattn_models.network import NetworkConfig, Size, build_network

CLASSES, THINGS = 133, tuple(range(80))
_ENGINES = ("onnxruntime", "openvino")
_TASKS: tuple[Task, ...] = ("semantic", "panoptic")


def main(words: list[str]) -> None:
    """Export, measure, print."""
    parser = argparse.ArgumentParser(description="Measure what grouping costs on a CPU.")
    parser.add_argument("--size", default="s", help="of the network: n, s, m or l")
    parser.add_argument("--side", type=int, default=128, help="of the input in pixels")
    parser.add_argument("--rounds", type=int, default=100, help="frames of each network")
    chosen = parser.parse_args(words)
    files = {task: write(task, chosen.size, chosen.side) for task in _TASKS}
    print(
        f"size {chosen.size}, {chosen.side}x{chosen.side}, {CLASSES} classes; one thread of "
        f"{platform.processor() or platform.machine()}, {chosen.rounds} frames each, in turn"
    )
    for engine in _ENGINES:
        times = measure(engine, files, chosen.side, chosen.rounds)
        for task, samples in times.items():
            ratio = median(samples) / median(times["semantic"])
            print(
                f"{engine} {task}: p50 {median(samples):.2f} ms of CPU time, "
                f"least {min(samples):.2f}, {ratio:.2f} of semantic"
            )


def write(task: Task, size: Size, side: int) -> ModelFile:
    """A model file with random weights, in memory."""
    torch.manual_seed(0)
    things = THINGS if task == "panoptic" else ()
    config = NetworkConfig(
        classes=CLASSES, size=size, height=side, width=side, task=task, things=things
    )
    spec = ModelSpec(
        name=f"{size}-{task}-random",
        task=task,
        classes=numbered_classes(CLASSES),
        input=InputSpec(height=side, width=side),
        precision=PrecisionSpec(name="fp32"),
    )
    graph = to_onnx(build_network(config).eval(), spec.input)
    return parse_model(describe(graph.SerializeToString(), spec), Path(f"{spec.name}.onnx"))


def measure(
    engine: str, files: dict[Task, ModelFile], side: int, rounds: int
) -> dict[Task, list[float]]:
    """Milliseconds of processor time of each frame, after as many tenths to warm up."""
    image = np.random.default_rng(0).integers(0, 256, (1, side, side, 3), np.uint8)
    opened = {task: open_engine(file, backend=engine, threads=1) for task, file in files.items()}
    times: dict[Task, list[float]] = {task: [] for task in files}
    for turn in range(rounds + rounds // 10):
        for task, one in opened.items():
            before = time.process_time()
            one.infer(image)
            if turn >= rounds // 10:
                times[task].append((time.process_time() - before) * 1e3)
    for one in opened.values():
        one.close()
    return times


if __name__ == "__main__":
    main(sys.argv[1:])
