"""Model files of peers: written by the package that knows their networks, in its own process."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from maskattn_edge.contract.errors import ModelFileError

RANDOM_PEERS = ("published", "plain-unet", "segformer-b0")
"""Peers that `maskattn_export.peers` writes with random weights."""


def write_random_peer(name: str, path: Path, *, classes: int, side: int, program: bool) -> None:
    """Write a peer's model file, and its PyTorch program if asked for; an older one is replaced.

    Raises:
        ModelFileError: it fails; the message is that of the process.
    """
    words = [name, str(path), "--classes", str(classes), "--side", str(side)]
    words += ["--program"] if program else []
    path.parent.mkdir(parents=True, exist_ok=True)
    done = subprocess.run(
        [sys.executable, "-m", "maskattn_export.peers", *words], capture_output=True, check=False
    )
    if done.returncode:
        lines = done.stderr.decode(errors="replace").strip().splitlines()
        said = lines[-1] if lines else f"exit code {done.returncode}"
        raise ModelFileError(f"the peer {name} was not written: {said[:300]}")
