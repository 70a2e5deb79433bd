"""A checkpoint as a PyTorch program, `.pt2`: what the benchmark's PyTorch engines run.

Run as `python -m maskattn_export.program CHECKPOINT OUT.pt2`. The program takes what a model file
takes, uint8 (1, H, W, 3), and gives its outputs; batch norms are folded as there.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import torch

from maskattn_edge.contract.atomic import replacing
from maskattn_edge.contract.errors import MaskAttnError, ModelFileError, UsageError
from maskattn_edge.contract.spec import InputSpec
from maskattn_export.fold import fold_batch_norm
from maskattn_models.checkpoint import load_checkpoint
from maskattn_models.network import Deployed, SegmentationNetwork


def write_program(network: SegmentationNetwork, size: InputSpec, path: Path) -> None:
    """Write the program of a network.

    Args:
        network: in any mode; it is left as it is.
        size: of the input.
        path: ends in `.pt2`; lies beside the model file whose stem it shares.

    Raises:
        UsageError: `path` ends otherwise.
        ModelFileError: the file cannot be written.
    """
    if path.suffix != ".pt2":
        raise UsageError(f"a PyTorch program's name ends in .pt2, got {path.name}")
    deployed = Deployed(fold_batch_norm(network)).eval()
    example = torch.zeros((1, size.height, size.width, 3), dtype=torch.uint8)
    program = torch.export.export(deployed, (example,))
    try:
        with replacing(path) as temporary:
            torch.export.save(program, temporary)
    except OSError as error:
        raise ModelFileError(f"{path}: cannot be written: {error.strerror}") from error


def main(arguments: list[str] | None = None) -> int:
    """Write one program; returns the exit status."""
    parser = argparse.ArgumentParser(description="Write a checkpoint as a PyTorch program.")
    parser.add_argument("checkpoint", type=Path, metavar="CHECKPOINT")
    parser.add_argument("path", type=Path, metavar="OUT.pt2", help="beside OUT.onnx")
    chosen = parser.parse_args(arguments)
    try:
        checkpoint = load_checkpoint(chosen.checkpoint)
        write_program(checkpoint.build(), checkpoint.input, chosen.path)
    except MaskAttnError as error:
        print(f"error: {error}", file=sys.stderr)
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main())
