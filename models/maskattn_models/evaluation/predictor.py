"""A model to be evaluated, whatever kind of file it comes from."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from maskattn_edge.contract.classes import ClassInfo
from maskattn_edge.contract.errors import UsageError
from maskattn_edge.contract.spec import InputSpec, Task
from maskattn_models.evaluation.answers import Segmenter

if TYPE_CHECKING:
    from maskattn_models.keys import KeyTally

_CHECKPOINTS = (".pt", ".pth")


@dataclass(frozen=True, kw_only=True)
class OpenedModel:
    """A model ready to answer images of the size that `input` states.

    `classes` is None for a file that does not describe itself: its labels are taken as they are.
    `keys` tells which keys attention kept; None for a model file, which does not tell.
    """

    name: str
    sha256: str
    task: Task
    answer: Segmenter
    classes: tuple[ClassInfo, ...] | None
    input: InputSpec
    runs_on: str
    keys: KeyTally | None = None

    @property
    def keys_kept(self) -> Mapping[str, float]:
        """Share of the keys that each block has kept so far; empty where nothing is known."""
        return {} if self.keys is None else self.keys.shares


@contextmanager
def open_predictor(path: Path, engine: str | None = None) -> Iterator[OpenedModel]:
    """Open a model file (`.onnx`) or a checkpoint (`.pt`, `.pth`) for the length of the block.

    Args:
        path: of the model.
        engine: of the runtime, for a model file; None takes the best that loads. PyTorch runs a
            checkpoint.

    Raises:
        UsageError: the file has another suffix; or the engine is unknown, or a checkpoint's.
        ModelFileError, CheckpointError: the file is missing or is no model.
        MissingDependencyError: a checkpoint is given, but PyTorch is not installed; or the engine
            is not.
        EngineError: the engine has no device here.
    """
    if path.suffix == ".onnx":
        with _onnx(path, engine or "auto") as opened:
            yield opened
    elif path.suffix in _CHECKPOINTS:
        if engine is not None:
            raise UsageError(
                f"{path}: PyTorch runs a checkpoint: leave out --engine, or export it first"
            )
        with _checkpoint(path) as opened:
            yield opened
    else:
        raise UsageError(f"{path}: a model to evaluate is an .onnx, a .pt or a .pth file")


@contextmanager
def _onnx(path: Path, engine: str) -> Iterator[OpenedModel]:
    from maskattn_edge.engines import open_engine

    with open_engine(path, backend=engine) as opened:
        spec = opened.spec
        yield OpenedModel(
            name=path.name,
            sha256=opened.file.sha256,
            task=spec.task,
            answer=opened.infer,
            classes=spec.classes if opened.file.described else None,
            input=spec.input,
            runs_on=f"{opened.name}, {opened.device}",
        )


@contextmanager
def _checkpoint(path: Path) -> Iterator[OpenedModel]:
    from maskattn_edge.optional import require

    require("torch", purpose="evaluating a checkpoint", extra="train")
    from maskattn_models.checkpoint import load_network
    from maskattn_models.keys import watching_keys

    network = load_network(path)
    with watching_keys(network.module) as keys:
        yield OpenedModel(
            name=path.name,
            sha256=network.checkpoint.sha256,
            task=network.checkpoint.task,
            answer=network.segment,
            classes=network.classes,
            input=network.input,
            runs_on="PyTorch, CPU",
            keys=keys,
        )
