"""Model files to compare speed and memory with: known architectures with random weights.

Run as `python -m maskattn_export.peers published OUT.onnx`. Random weights cost what trained ones
do; their labels mean nothing, and the file says so. They are made here, not in the benchmarks,
which know the robot's package alone and take any model file.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path

import torch

from maskattn_edge._version import __version__
from maskattn_edge.contract.classes import MAX_CLASSES, numbered_classes
from maskattn_edge.contract.errors import MaskAttnError, UsageError
from maskattn_edge.contract.model_file import write_model_file
from maskattn_edge.contract.spec import (
    RANDOM_WEIGHTS,
    InputSpec,
    ModelSpec,
    PrecisionSpec,
    Provenance,
    TrainingSpec,
)
from maskattn_export.graph import to_onnx
from maskattn_export.half import fp16_spec, to_fp16
from maskattn_export.program import write_program
from maskattn_models.network import NetworkConfig, SegmentationNetwork
from maskattn_models.peers import build
from maskattn_models.published import PublishedConfig, build_published

_TOOLS = ("torch", "onnx")


def _published(classes: int, side: int) -> SegmentationNetwork:
    return build_published(PublishedConfig(classes=classes, height=side, width=side))


def _named(peer: str) -> Callable[[int, int], SegmentationNetwork]:
    def create(classes: int, side: int) -> SegmentationNetwork:
        return build(NetworkConfig(classes=classes, height=side, width=side, peer=peer))

    return create


PEERS: dict[str, Callable[[int, int], SegmentationNetwork]] = {
    "published": _published,
    "plain-unet": _named("plain-unet"),
    "segformer-b0": _named("segformer-b0"),
}
"""Name -> what builds it, from the number of classes and the input's side in pixels."""


def build_peer(name: str, *, classes: int, side: int, seed: int) -> SegmentationNetwork:
    """A peer with random weights, in evaluation mode; arguments as `write_peer`.

    Raises:
        UsageError: the name is unknown, or a number is out of range.
    """
    if name not in PEERS:
        raise UsageError(f"unknown peer {name!r}; available: {', '.join(PEERS)}")
    if not 1 <= classes <= MAX_CLASSES:
        raise UsageError(f"a model has 1 to {MAX_CLASSES} classes, got {classes}")
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return PEERS[name](classes, side).eval()


def write_peer(
    name: str,
    path: Path,
    *,
    classes: int = 133,
    side: int = 128,
    seed: int = 0,
    program: bool = False,
    half: bool = False,
) -> None:
    """Write the model file of a peer with random weights.

    Args:
        name: a key of `PEERS`.
        path: of the model file.
        classes: number of labels, 1..255.
        side: height and width of the input in pixels.
        seed: of the weights.
        program: write it beside the file as a PyTorch program too, which is fp32 always.
        half: write the file in fp16 in place of fp32.

    Raises:
        UsageError: the name is unknown, or a number is out of range.
        ModelFileError: the file cannot be written.
    """
    network = build_peer(name, classes=classes, side=side, seed=seed)
    size = InputSpec(height=side, width=side)
    graph, precision = to_onnx(network, size), PrecisionSpec(name="fp32")
    if half:
        graph, precision = to_fp16(graph), fp16_spec(graph)
    spec = ModelSpec(
        name=f"{name}-random",
        task="semantic",
        classes=numbered_classes(classes),
        input=size,
        precision=precision,
        training=TrainingSpec(data=RANDOM_WEIGHTS, seed=seed),
        provenance=Provenance(
            versions={tool: version(tool) for tool in _TOOLS} | {"maskattn-edge": __version__}
        ),
    )
    write_model_file(path, graph.SerializeToString(), spec)
    if program:
        write_program(network, size, path.with_suffix(".pt2"))


def main(arguments: list[str] | None = None) -> int:
    """Write one peer; returns the exit status."""
    parser = argparse.ArgumentParser(description="Write a model file to compare speed with.")
    parser.add_argument("name", metavar="NAME", help=" or ".join(PEERS))
    parser.add_argument("path", type=Path, metavar="OUT.onnx", help="model file to write")
    parser.add_argument("--classes", type=int, default=133, help="number of labels")
    parser.add_argument("--side", type=int, default=128, help="height and width in pixels")
    parser.add_argument("--seed", type=int, default=0, help="of the weights")
    parser.add_argument("--program", action="store_true", help="write OUT.pt2 for PyTorch too")
    parser.add_argument("--fp16", action="store_true", help="write it in fp16")
    chosen = parser.parse_args(arguments)
    try:
        write_peer(
            chosen.name,
            chosen.path,
            classes=chosen.classes,
            side=chosen.side,
            seed=chosen.seed,
            program=chosen.program,
            half=chosen.fp16,
        )
    except MaskAttnError as error:
        print(f"error: {error}", file=sys.stderr)
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main())
